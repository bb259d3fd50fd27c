"""`arp`: answers, announcements, resolution of targets, and who else claims an address."""
