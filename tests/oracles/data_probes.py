"""Statistics of pictures that a linear probe may use: colour alone, texture alone, pixels. Plain numpy, no striate."""

from __future__ import annotations

import numpy as np


def colour_statistics(images: np.ndarray) -> np.ndarray:
    """Moments, covariances and histograms of the colours, nothing of where they are; images (n, 3, H, W) in [0, 1]."""
    flat = images.reshape(len(images), 3, -1)
    mean, centred = flat.mean(2), flat - flat.mean(2, keepdims=True)
    deviation = np.sqrt((centred**2).mean(2)) + 1e-6
    skew, tail = (centred**3).mean(2) / deviation**3, (centred**4).mean(2) / deviation**4
    pairs = np.einsum("nap,nbp->nab", centred, centred).reshape(len(images), 9) / flat.shape[2]
    bins = np.stack([(flat >= low) & (flat < low + 0.125) for low in np.arange(0, 1, 0.125)], -1).mean(2)
    ends = np.concatenate([flat.min(2), flat.max(2), np.median(flat, 2)], 1)
    return np.concatenate([mean, deviation, skew, tail, pairs, bins.reshape(len(images), -1), ends], 1)


def texture_statistics(images: np.ndarray) -> np.ndarray:
    """Local binary patterns, orientations of edges, and the spectrum by frequency, pooled over the whole picture."""
    grey = images.mean(1)
    middle = grey[:, 1:-1, 1:-1]
    code = np.zeros(middle.shape, dtype=np.int64)
    height, width = grey.shape[1:]
    for bit, (down, right) in enumerate([(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]):
        code |= (grey[:, down : height - 2 + down, right : width - 2 + right] >= middle).astype(np.int64) << bit
    patterns = np.stack([np.bincount(one.ravel(), minlength=256) for one in code]) / code[0].size
    across, down = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    size, angle = np.hypot(across, down), np.arctan2(down, across) % np.pi
    orientations = np.stack(
        [(size * ((angle * 12 / np.pi).astype(int) % 12 == number)).mean((1, 2)) for number in range(12)], 1
    )
    strengths = np.stack([(size > level).mean((1, 2)) for level in (0.02, 0.05, 0.1, 0.2, 0.4)], 1)
    spectrum = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    rows, columns = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    ring = (np.hypot(rows, columns) * width).astype(int)
    rings = np.log(np.stack([spectrum[:, ring == number].mean(1) for number in range(width // 2)], 1) + 1e-6)
    return np.concatenate([patterns * 10, orientations * 10, strengths, rings], 1)


def probe_accuracy(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, *, strength: float = 1.0
) -> float:
    """Share right of a multinomial logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=3000, tol=1e-2))
    return float(probe.fit(train, train_labels).score(test, test_labels))
