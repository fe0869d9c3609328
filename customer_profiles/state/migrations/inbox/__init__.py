"""The history of the inbox store."""
