"""Codes: what a layer makes of each image, and what lies near what in that space."""
