"""What stewards decided, as it is stored and as the clustering reads it."""
