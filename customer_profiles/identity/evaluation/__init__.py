"""How right it is, on files and graphs where the truth is known."""
