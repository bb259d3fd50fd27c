"""Edits in place: a text comes to say something else, and keeps everything that it need not lose."""
