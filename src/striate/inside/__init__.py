"""Looking inside a net: which pixels, layers and units made it say what it said, each answer with its own check."""
