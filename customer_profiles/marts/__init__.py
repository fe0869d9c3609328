"""What is known: buckets, windows, purchases, support matters, traits, segments.

What belongs here: facts computed from records and interactions, and the stages that keep them. Everything
that comes from interactions is kept by record, so that a merge or a split costs nothing here; a customer's
windows and purchases are folds over its records when they are read. What does not: who is who (`identity/`)
and who may see it (`serving/`).
"""
