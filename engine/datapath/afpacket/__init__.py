"""The AF_PACKET datapath: memory-mapped rings, frames handled in vectors."""
