"""How the kinds of checks run: one file each, the registry that names them, and the runner that draws from it."""
