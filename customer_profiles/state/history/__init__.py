"""History: rows that left the database for sealed segments, encrypted Parquet files that never change.

A manifest in the state says which segments there are, and commits with the state: a file that it does not name was never
there. What the rows tell is not known here, but for the columns that every segment has: `record_no`, whose hash is the
partition and by which rows are sorted; `interaction_no`, the order of a record's rows; `occurred_at`; and `seal_no`, the
sealing that brought them.
"""
