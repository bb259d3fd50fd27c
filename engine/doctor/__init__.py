"""`bng-engine doctor`: what on this host would stop or slow the engine, and the command that fixes it."""
