"""Error by the size of the training split, and which lever it says to pull."""
