"""From edges to customers: the greedy rule, what forbids a merge, and the region that a change can reach."""
