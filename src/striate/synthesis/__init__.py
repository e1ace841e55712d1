"""Making images that show what a network has learnt: each method a `solve`, each image judged after 8-bit rounding."""
