"""What `bngctl` prints for people: answers of the engine in, lines of text out. Pure."""
