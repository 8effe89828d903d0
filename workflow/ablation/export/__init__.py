"""Export: the runs as one tidy table, for a person's own analysis."""
