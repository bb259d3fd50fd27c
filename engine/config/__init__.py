"""Configuration: text -> model -> diagnostics, without sockets or clock."""
