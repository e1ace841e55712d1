"""Lower bounds of robust accuracy: what no attack within the radius can do, proven instead of tried."""
