"""The low vocabulary that every room may use. It imports no other package of the engine."""
