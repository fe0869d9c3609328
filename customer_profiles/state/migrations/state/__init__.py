"""The history of the state store."""
