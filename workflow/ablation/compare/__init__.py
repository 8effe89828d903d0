"""Compare: two finished studies side by side, what differs in their provenance first."""
