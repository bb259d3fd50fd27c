"""Long runs by hand: what holds for a minute has to hold for an hour."""
