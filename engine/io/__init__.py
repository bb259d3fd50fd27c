"""What touches the kernel: netlink, packet sockets, their filters and numbers. Nothing here decides."""
