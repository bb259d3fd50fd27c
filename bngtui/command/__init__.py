"""The commands of bngctl: one registry, from which parser, help and completion follow."""
