"""Planted faults of the family rates."""
