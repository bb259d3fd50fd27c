"""The datapath of XDP: a program of the kernel's that decides about frames, and what loads and feeds it."""
