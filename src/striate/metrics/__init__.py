"""Metrics: pure functions of labels, predictions and scores, with streaming twins; each figure carries its interval."""
