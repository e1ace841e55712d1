"""Hardening: training against attacks, as a wrap of the step of a task that classifies images."""
