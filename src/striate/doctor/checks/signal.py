"""Checks of signal."""
