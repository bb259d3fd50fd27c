"""Pure functions from state to cells; nothing here touches a terminal."""
