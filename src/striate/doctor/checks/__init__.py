"""The checks, a file for each family of faults."""
