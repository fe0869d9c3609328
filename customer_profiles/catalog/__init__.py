"""The audit of the sources: what tables and files there are, what their columns hold, and which of it is personal data.

Values pass through to be counted; none is kept or shown.
"""
