"""What a steward works with: the review queue, previews, unmerge, labels."""
