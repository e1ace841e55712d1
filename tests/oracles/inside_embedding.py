"""Codes, slowly and from the papers' formulas, in float64 with numpy loops."""

from __future__ import annotations

import numpy as np


def distances(one, other, metric):
    """Every distance by its own sum."""
    table = np.zeros((len(one), len(other)))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            if metric == "euclidean":
                table[i, j] = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5
            else:
                table[i, j] = 1 - float(a @ b) / (float(a @ a) ** 0.5 * float(b @ b) ** 0.5)
    return table


def neighbours(codes, k, metric):
    """Rows of the k nearest others, by sorting all distances; equal ones by row."""
    table = distances(codes, codes, metric)
    found = []
    for i, row in enumerate(table):
        order = sorted((far, j) for j, far in enumerate(row) if j != i)
        found.append([j for _, j in order[:k]])
    return np.array(found)


def centred_gram(x):
    """H K H with H = I - 1/n (Kornblith et al. 2019, section 3)."""
    n = len(x)
    h = np.eye(n) - np.ones((n, n)) / n
    return h @ (x @ x.T) @ h


def cka(x, y):
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with HSIC = tr(K H L H) / (n - 1)^2."""
    k, m = centred_gram(x), centred_gram(y)
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def hsic_unbiased(x, y):
    """Song et al. 2012, equation 5, by its sums over distinct indices: a U-statistic over quadruples (equation 4)."""
    k, m = x @ x.T, y @ y.T
    n, total, count = len(x), 0.0, 0
    for i in range(n):
        for j in range(n):
            for q in range(n):
                for r in range(n):
                    if len({i, j, q, r}) == 4:
                        total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
                        count += 1
    return total / count


def svcca(x, y, keep):
    """Singular value cut, then canonical correlations by whitened covariances, averaged (Raghu et al. 2017)."""

    def cut(z):
        z = z - z.mean(0)
        u, s, _ = np.linalg.svd(z, full_matrices=False)
        held = np.cumsum(s**2) / np.sum(s**2)
        count = int(np.searchsorted(held, keep - 1e-12)) + 1
        return u[:, :count] * s[:count]

    a, b = cut(x), cut(y)
    qa, _ = np.linalg.qr(a)
    qb, _ = np.linalg.qr(b)
    return float(np.linalg.svd(qa.T @ qb, compute_uv=False).mean())


def ridge(x, labels, classes, penalty):
    """Scores of ridge regression by the normal equations, on columns of mean 0 and variance 1."""
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    z = (x - mean) / scale
    y = np.eye(classes)[labels]
    unit = np.trace(z.T @ z) / z.shape[1]
    weights = np.linalg.solve(z.T @ z + penalty * unit * np.eye(z.shape[1]), z.T @ (y - y.mean(0)))
    return lambda new: (new - mean) / scale @ weights + y.mean(0)


def principal_axes(x, count):
    """Coordinates and shares of variance by the eigen-decomposition of the covariance; signs are free."""
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    order = np.argsort(-values)[:count]
    return centred @ vectors[:, order], values[order] / values.sum()
