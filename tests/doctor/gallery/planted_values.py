"""Planted faults of the family values."""
