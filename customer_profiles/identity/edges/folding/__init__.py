"""Index rows as they stay in memory: what they say over and over stands once, and what can be made of something else not at all."""
