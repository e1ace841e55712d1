"""Checks of beyond."""
