"""The assets, a file a group, in the order in which data flows: sources, catalog, cleaned, identity, marts."""
