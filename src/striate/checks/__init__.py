"""Checks of data before anything is trained on them: files, pixels, labels, duplicates, splits."""
