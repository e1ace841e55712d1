"""Planted faults of the family splits."""
