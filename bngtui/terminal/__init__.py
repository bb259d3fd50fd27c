"""What is about the terminal itself: its driver, fewer bytes to it, and a clean screen at the end."""
