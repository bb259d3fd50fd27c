"""What operators alter: the running configuration, its history, and the state of targets and servers."""
