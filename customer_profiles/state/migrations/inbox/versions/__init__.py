"""Revisions of the inbox store, oldest first."""
