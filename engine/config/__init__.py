"""Text to configuration and back: BalanceNG's language and TOML, what is wrong in them, and where. No sockets, no clock."""
