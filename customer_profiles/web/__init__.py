"""The HTTP door: one FastAPI application, which `customer-profiles serve` runs.

What belongs here: routes, authentication of requests, reading bodies within limits, answers. What does not: what an event
means (`cleaning/`), and how it is kept (`sources/inbox.py`).
"""
