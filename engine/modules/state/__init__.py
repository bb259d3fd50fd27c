"""What the modules of one engine share."""
