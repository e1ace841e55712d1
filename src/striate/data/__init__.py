"""Data: images with labels, named, in folders or drawn; splits, batches, statistics, random changes."""
