"""Edits in place: changes of a configuration text that keep everything they need not touch."""
