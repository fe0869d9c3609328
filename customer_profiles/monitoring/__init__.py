"""How the pipeline is doing: the ledger that accounts for everything received, freshness, metrics, alarms."""
