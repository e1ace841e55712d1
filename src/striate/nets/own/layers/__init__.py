"""Layers that torch lacks, one kind to a file: what networks of our own, and their parts by name, are made of."""
