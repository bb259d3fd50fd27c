"""The operator's console: dashboard (bngtui) and command line (bngctl)."""
