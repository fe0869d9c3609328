"""The graph as it is stored: records in, edges and members out, what changed, and what was so at a commit."""
