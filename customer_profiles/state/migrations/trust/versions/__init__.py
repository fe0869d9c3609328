"""Revisions of the trust store, oldest first."""
