"""What every room stands on: errors, images, norms, registry, randomness, reports, findings, progress, citations."""
