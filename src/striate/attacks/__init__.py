"""Breaking networks: one page per attack, each a `solve`; the number with its interval, and what speaks against it."""
