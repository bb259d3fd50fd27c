"""What full screens are made of: a page, and a page whose body is lines that scroll."""
