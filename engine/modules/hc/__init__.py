"""`hc`: when each check runs, and what its answers mean."""
