"""Searches: each a generator that asks the problem for evaluations and yields after every step."""
