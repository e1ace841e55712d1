"""Gradients checked against differences, and graphs with values and local gradients."""
