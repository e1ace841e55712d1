"""Images under filters made by hand, and a net's first filters beside them."""
