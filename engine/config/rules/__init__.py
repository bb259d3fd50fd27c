"""What can be wrong with the meaning of a configuration: a function for each rule."""
