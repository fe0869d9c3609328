"""What comes in becomes clean: mapped rows are normalised, validated, and stored as records and interactions.

What belongs here: normalising, validating, the quarantine, and the ingest stages with the tables they write. What does
not: how a source is read (`sources/`), and who is the same person as whom (`identity/`).
"""
