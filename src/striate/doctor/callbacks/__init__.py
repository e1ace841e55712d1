"""The doctor in other people's trainers: Lightning, Keras on torch, Hugging Face. Each needs its own package only."""
