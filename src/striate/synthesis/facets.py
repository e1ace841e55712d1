"""Facets of a class: an image of each of its kinds, begun from the mean of pictures that are alike to the net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.objective import code_of, weighted
from striate.imageopt.objective.units import by_channel
from striate.nets.net import Net

from .made import Made
from .payload import Measured
from .presets import OLAH, Preset, preset_named
from .visualise import ascended, checked_targets, penalised, start_from_noise, words_of
from .watch import Watch

NEAREST = 15  # pictures whose mean an image begins with
COMPONENTS = 50  # principal components of the codes that are kept
CITES = ("nguyen2016multifaceted", "lloyd1982least")


@dataclass(frozen=True, eq=False)
class Clusters:
    """Pictures by what a layer says of them.

    Attributes:
        member: Which cluster each picture is in, (N,); the largest cluster is 0.
        nearest: The pictures nearest to the middle of each cluster, nearest first.
    """

    member: Tensor
    nearest: tuple[Tensor, ...]


def clusters_of(codes: Tensor, count: int, *, nearest: int = NEAREST, seed: int = 0) -> Clusters:
    """k-means of codes (N, D), in at most `COMPONENTS` of their principal components.

    Raises:
        StriateError: There are fewer pictures than clusters.

    Source: Nguyen et al. 2016, algorithm 1, who embed the components in two dimensions by t-SNE before k-means (Lloyd
    1982); without it nothing hangs on an embedding that tears neighbours apart.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    if count < 1 or len(codes) < count:
        raise StriateError(f"{len(codes)} pictures for {count} facets", accepted="at least as many as facets, and one")
    points = codes.double().numpy()
    most = min(COMPONENTS, *points.shape)
    random = Rng(seed, "synthesis/facets").torch_seed() % (1 << 31)
    points = PCA(most, random_state=random).fit_transform(points) if len(points) > 1 else points
    fitted = KMeans(count, n_init=10, random_state=random).fit(points)
    found, middles = torch.from_numpy(fitted.labels_).long(), torch.from_numpy(fitted.cluster_centers_)
    order = torch.bincount(found, minlength=count).argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(count)
    member, inside = place[found], []
    for each in range(count):
        rows = (member == each).nonzero().squeeze(1)
        away = (torch.from_numpy(points)[rows] - middles[order[each]]).square().sum(1)
        inside.append(rows[away.argsort(stable=True)[:nearest]])
    return Clusters(member, tuple(inside))


def facet_images(
    net: Net,
    target: int,
    images: Tensor,
    *,
    layer: str = "",
    count: int = 4,
    steps: int = 96,
    seed: int = 0,
    preset: Preset | str = OLAH,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One image of a class for each kind of picture of it that the net tells apart, the commonest kind first.

    The pictures are clustered by their codes, averaged over places; each image begins with the mean of the pictures
    nearest to the middle of a cluster and ascends the class's score from there. Cost: a forward pass a picture, then
    ``steps + 13`` forward passes an image.

    Args:
        net: A classifier.
        target: Number of the class.
        images: Pictures of it, (N, C, H, W) in [0, 1].
        layer: Site of the codes; by default what goes into the last layer with weights.
        count: How many kinds.
        steps: Of the search.
        seed: Of clusters and views.
        preset: The way of ascending.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        UnknownNameError: There is no such layer.
        StriateError: The class is not there, or there are fewer pictures than kinds; no gradient comes through.

    Source: Nguyen et al. 2016, algorithm 1 ("mean image initialization"); they ascend with total variation and jitter,
    we by the preset. The default layer stands for their fc6.
    """
    way, size = preset_named(preset), (images.shape[-2], images.shape[-1])
    classes = checked_targets(net, [target]).expand(count)
    site = layer or last_input(net, size)
    code = by_channel(code_of(net, images, site, memory=memory)[site], site).mean(2)
    kinds = clusters_of(code.cpu(), count, seed=seed)
    means = torch.stack([images[rows].mean(0) for rows in kinds.nearest])
    score, ids = way.score(classes), torch.arange(count)
    start = start_from_noise(net, score, ids=ids, size=size, noise=way.noise, seed=seed, memory=memory, images=means)
    if not bool((start.slopes > 0).any()):
        raise StriateError(
            f"no gradient of {net.name} reaches its image",
            hint="a net without no_grad, detach or rounding on the way to its output",
        )
    more: dict[str, Any] = {"preset": way, "steps": steps, "seed": seed, "memory": memory, "watch": watch}
    smoothness = way.smoothness[0]
    found = ascended(net, score, start, ids=ids, smoothness=smoothness, label="facets", **more)
    name = net.classes[target] if target < len(net.classes) else str(target)
    sizes = torch.bincount(kinds.member, minlength=count).tolist()
    raised, scale = penalised(score, way, start, smoothness=smoothness)
    return Made(
        images=found.images,
        stems=tuple(f"facet-{each}" for each in range(count)),
        targets=tuple(f"{name}, facet {each}" for each in range(count)),
        words=words_of(way, way.score_words, size),
        scores=found.scores,
        history=found.history,
        steps=steps,
        seed=seed,
        objective=weighted(raised, 1 / scale),
        classes=(target,) * count,
        sources={f"mean-{each}": mean for each, mean in enumerate(means)},
        source=tuple(f"mean-{each}" for each in range(count)),
        tables=(
            Measured(
                f"Kinds of {len(images)} pictures of {name} by {site}",
                ("facet", "pictures", "share"),
                tuple((f"facet {each}", held, held / len(images)) for each, held in enumerate(sizes)),
            ),
        ),
        cites=(*CITES, *way.cites),
    )


def last_input(net: Net, size: tuple[int, int]) -> str:
    """The site that goes into the last layer with weights: what the classes are read from.

    Raises:
        StriateError: Nothing but the image goes there.
    """
    for site in reversed(net.sites(size)):
        if site.parameters and site.inputs and site.inputs[0] != "input":
            return site.inputs[0]
    raise StriateError(f"{net.name} reads its classes from the image", accepted="a layer", hint="--layer")
