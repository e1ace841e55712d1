"""Looking inside a vision transformer: its tokens, its attention, and what the head says of them layer by layer."""
