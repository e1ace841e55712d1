"""How a signal runs through a net before training: activations and gradients by site, for schemes of weights."""
