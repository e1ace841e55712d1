"""The learning-rate range test: which rates a net and its data stand, before it is trained."""
