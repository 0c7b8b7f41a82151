"""Click logs: what was shown, what was chosen, and how much of that the position alone explains."""
