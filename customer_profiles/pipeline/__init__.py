"""The stages in their order, run until nothing is left, and the rebuild beside the live generation.

What belongs here: which stage follows which, opening and closing what they need, running them. What does not: what a
stage does (its own floor), how Dagster or the command line shows it.
"""
