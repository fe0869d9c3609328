"""The history of the trust store."""
