"""How data is read from the company's systems: connectors that yield batches of envelopes with positions.

What belongs here: reading pages of tables and files, and where each reader is. What does not: what a row means
(`cleaning/`). A connector reads only what the settings map.
"""
