"""Planted faults of the family evaluation."""
