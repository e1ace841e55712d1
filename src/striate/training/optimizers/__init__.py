"""Optimizers: what they are as frozen values, and one page each for those that torch lacks."""
