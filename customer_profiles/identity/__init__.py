"""Who is who: which records are one person, and the IDs of customers that never churn.

What belongs here: blocking, the model, scoring, clusters, claims, decisions, events, evaluation. What does not: reading or
cleaning records (the floor below), and anything a profile says about a customer (the floor above).
"""
