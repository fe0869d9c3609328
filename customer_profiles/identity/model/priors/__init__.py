"""What the package knows before it has seen a record: nicknames, and a model trained on invented people."""
