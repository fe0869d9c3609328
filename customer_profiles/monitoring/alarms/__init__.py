"""Alarms to on-call: what is wrong (rules), what was told of it (book), who is told (receivers) and how it gets there (courier)."""
