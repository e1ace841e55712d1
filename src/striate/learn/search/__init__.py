"""Search: of learning rates and the like over a space, and of architectures."""
