"""How things went: rates, flows, drops, round trips and states of the last two days, in a file that outlives the engine."""
