"""The optimiser over images: an objective raised on a canvas, within a region, by a search. `solve` is the one call."""
