"""Which pairs of records are compared, how, and what that makes of them: candidates, scores, edges."""
