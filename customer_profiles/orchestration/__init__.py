"""The Dagster layer, thin: assets, checks, jobs and schedules over the stages.

What belongs here: how the house looks and runs in Dagster. What does not: any rule about data. An asset opens the
pipeline, drains one stage and reports; if a line here decides something about a customer, it is in the wrong room.
"""
