"""Checks of schedules and of averaged weights."""
