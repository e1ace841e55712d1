"""What is learnt from data beyond one run: baselines, transfer, search, curves, ensembles."""
