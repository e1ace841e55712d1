"""Transfer: a net that knows other images is made to tell these apart."""
