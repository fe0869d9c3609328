"""Revisions of the state store, oldest first."""
