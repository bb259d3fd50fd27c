"""Would the fast tests of a part notice if it were wrong? See README.md."""
