"""The command line, `customer-profiles`: one file a command or family of commands.

What belongs here: reading arguments, showing results as tables or JSON, exit codes (0 well, 1 a finding, 2 wrong use).
What does not: any work. A command opens the pipeline or calls the floor that does it.

A command imports what does its work when it runs, not above: Dagster, pandas and Splink take seconds to load, and
`customer-profiles --help` should not wait for them. A module's head holds what its signatures need.
"""
