"""Trying the arms that the support catalogue calls impossible. A probe is evidence, never data."""
