"""BalanceNG's language and TOML: text into a model, with what is wrong in it, and a model into text."""
