"""Optimisers on surfaces of two numbers: where each step takes them, drawn and filmed."""
