"""Checks of rates."""
