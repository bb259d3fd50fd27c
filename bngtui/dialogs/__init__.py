"""Boxes over a screen that ask the operator something, one file each."""
