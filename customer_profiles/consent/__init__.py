"""Who agreed to what: the append-only ledger of consent statements and the one decision made from it.

What belongs here: statements, the ledger that keeps them, and :func:`decide`. What does not: what a purpose
may read field by field (`serving/`), and how statements are found in the sources (`cleaning/`).
"""
