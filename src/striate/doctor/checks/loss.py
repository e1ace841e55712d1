"""Checks of the loss and of its course."""
