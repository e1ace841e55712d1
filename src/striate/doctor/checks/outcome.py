"""Checks of the outcome."""
