"""What touches the kernel: netlink, packet sockets, their filters and numbers. What is decided here is how `host` differs."""
