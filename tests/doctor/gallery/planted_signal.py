"""Planted faults of the family signal."""
