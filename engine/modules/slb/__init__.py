"""`slb`: who serves what."""
