"""Codes in a plane, each projection with measures of what it keeps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.principal import principal
from striate.core.rng import Rng
from striate.measure.nearest import Metric, nearest

Method = Literal["pca", "tsne", "umap"]
METHODS: dict[str, tuple[str, ...]] = {"pca": ("pearson1901lines",), "tsne": ("vandermaaten2008visualizing",), "umap": (
    "mcinnes2018umap",)}  # fmt: skip
PERPLEXITY = 30.0  # of t-SNE, as van der Maaten & Hinton have it, fewer for few images
NEIGHBOURS = 15  # of UMAP, its authors' default


@dataclass(frozen=True)
class Plane:
    """Where codes lie in a plane: places (N, 2) float64, the method's numbers in words."""

    places: Tensor
    settings: str


def principal_axes(codes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Coordinates (N, count) along the first principal axes, and the share of the variance along each, float64.

    Codes without variance lie at 0 with shares of 0; axes beyond the rank have zeros.
    """
    along, _, held = principal(codes)
    places, shares = (torch.zeros(*size, dtype=torch.float64) for size in ((len(codes), count), (count,)))
    places[:, : len(held)], shares[: len(held)] = along[:, :count], held[:count]
    return places, shares


def project(codes: Tensor, method: Method, *, metric: Metric = "euclidean", seed: int = 0) -> Plane:
    """Codes (N, D), N at least 4, in a plane; the same seed gives the same plane.

    PCA is linear and keeps large distances; t-SNE and UMAP keep neighbours, and neither sizes of clusters nor
    distances between them mean anything in theirs.

    Raises:
        StriateError: Too few codes, an unknown method, or UMAP is not installed.

    Source: van der Maaten & Hinton 2008, "Visualizing data using t-SNE" (scikit-learn's Barnes-Hut form, begun from
    the principal axes); McInnes, Healy & Melville 2018, "UMAP" (umap-learn).
    """
    if method not in METHODS:
        raise StriateError(f"projection is {method!r}", accepted=", ".join(METHODS))
    if len(codes) < 4:
        raise StriateError(f"{len(codes)} images to project", accepted="at least 4")
    if method == "pca":
        return Plane(principal_axes(codes, 2)[0], "the first two principal axes")
    draw = Rng(seed, f"embedding/{method}").torch_seed() & 0xFFFFFFFF
    array = codes.double().numpy()
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
        model: Any = TSNE(perplexity=perplexity, metric=metric, init="pca", random_state=draw, n_jobs=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # codes without variance: said by the explained share
            found = model.fit_transform(array)
        return Plane(torch.from_numpy(found).double(), f"perplexity {perplexity:.3g}, {metric}, {model.n_iter_} steps")
    return _umap(array, metric=metric, draw=draw)


def _umap(array: Any, *, metric: str, draw: int) -> Plane:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP
    except ImportError as error:
        raise StriateError(
            "projection is 'umap', and umap-learn is not installed",
            accepted="pca and tsne without it",
            hint="pip install 'striate[umap]'",
        ) from error
    count = min(NEIGHBOURS, len(array) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = UMAP(n_neighbors=count, metric=metric, random_state=draw, n_jobs=1).fit_transform(array)
    return Plane(torch.from_numpy(found).double(), f"{count} neighbours, least distance 0.1, {metric}")


def kept_neighbours(codes: Tensor, places: Tensor, k: int, *, metric: Metric = "euclidean") -> Number:
    """Trustworthiness of a plane: 1 less a penalty for each neighbour in it that is none among the codes, by its rank.

    Missing where there are fewer than 2 k + 2 images.

    Source: Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods", equation 1 (scikit-learn).
    """
    from sklearn.manifold import trustworthiness

    n = len(codes)
    if k >= n / 2 - 1:
        return Number(None, n=n, why=f"{n} images are too few for {k} neighbours")
    value = float(trustworthiness(codes.double().numpy(), places.numpy(), n_neighbors=k, metric=metric))
    return Number(value, n=n, why="exact for these images")


def in_plane(places: Tensor, k: int) -> Tensor:
    """Rows (N, k) of the nearest others in the plane."""
    return nearest(places, places, k, own=torch.arange(len(places)))[0]
