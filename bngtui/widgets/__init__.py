"""The widgets the screens are laid out of."""
