"""Measuring a classifier: predictions made once per image, every figure of them, and what they give to say."""
