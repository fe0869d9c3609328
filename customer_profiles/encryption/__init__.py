"""Keys and the sealing of single values. Nothing here knows what it protects."""
