"""Embed: the codes of a split, and what they say: who lies next to whom, what can be read off them, layer by layer.

>>> from striate.data.load import load_data
>>> from striate.nets.load import load_net
>>> data = load_data("shapes").limit(60)
>>> result, album, arrays = embed_split(load_net("striate/small"), data, wish=Wish(projection="pca"))
>>> result.layer, result.width, arrays["codes.npz"].shape[0], len(result.neighbours.queries)
('pool', 128, 60, 8)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset
from striate.measure.nearest import Agreement, Metric, agreement, compare_agreement, nearest
from striate.metrics.bootstrap import bootstrapped
from striate.metrics.intervals import wilson
from striate.metrics.paired import mcnemar
from striate.nets.net import Net
from striate.nets.site import Pair

from .classes import class_tree
from .codes import SIDE, Codes, codes_of, codes_of_images, fitting_side, shrunk
from .invariance import IMAGES, invariance
from .layers import code_layer, depth_of, find_layer, full_name, parted, pooling_words, spread_layers
from .payload import Embedding, Near, Neighbours, Place, Probe, Probes, Projection, Query, Similar, Similarity
from .pictures import draw_plane, key_of, thumbnail, thumbnails
from .probing import FOLDS, Fitted, Labelled, linear_probe, nearest_probe, probed_by_folds
from .projection import Method, in_plane, kept_neighbours, principal_axes, project
from .similarity import KEEP, cka, debiased_cka, svcca

FITTED, CHOSEN = 2000, 1000  # images that probes are fitted and chosen on at most, spread over their splits
PROJECTED = 1000  # images of a plane at most
COMPARED = 1000  # images that layers are compared on at most
CURVES = 4  # layers of an invariance chart, beside the input


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        layers: Sites; the first gives the code. Empty for the code before the classifier and some spread over the net.
        neighbours: Of each image.
        queries: Images of the split that are shown with their neighbours.
        metric: Of neighbours, projection and tree.
        projection: Into the plane; None for none.
        probes: Whether layers are probed and compared.
        invariance: Whether layers are followed under transforms.
        pictures: Whether thumbnails and the plane are drawn.
        seed: Of every draw.
    """

    layers: tuple[str, ...] = ()
    neighbours: int = 6
    queries: int = 8
    metric: Metric = "euclidean"
    projection: Method | None = "tsne"
    probes: bool = True
    invariance: bool = False
    pictures: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Beside:
    """Another net to compare layers with, and the same images as it takes them."""

    name: str
    net: Net
    data: Dataset


@dataclass(frozen=True)
class Given:
    """Images (N, C, H, W) to find the neighbours of, with their names."""

    names: Sequence[str]
    images: Tensor


@dataclass(frozen=True)
class _Case:
    """One split with its codes."""

    net: Net
    data: Dataset
    size: Pair
    codes: Codes
    layers: tuple[str, ...]
    layer: str
    wish: Wish
    labels: Tensor | None

    @property
    def code(self) -> Tensor:
        return self.codes.of[self.layer]


def embed_split(
    net: Net,
    data: Dataset,
    *,
    wish: Wish | None = None,
    train: Dataset | None = None,
    dev: Dataset | None = None,
    beside: Sequence[Beside] = (),
    given: Given | None = None,
    memory: int = 1 << 30,
    workers: int = 0,
    progress: Progress = SILENT,
) -> tuple[Embedding, dict[str, bytes], dict[str, Tensor]]:
    """The payload; thumbnails and the plane as WebP by the names that it holds; codes and places as tensors.

    Cost: one forward pass an image, and for probes one for each image of train and dev that they take; with
    ``beside`` one an image for each net; for invariance some 30 passes for each of at most 64 images.

    Args:
        net: Left bit for bit as found.
        data: The split, images as the net takes them.
        wish: What is asked for.
        train: Images to fit probes on, and ``dev`` to choose by; without both, the split itself in five folds.
        dev: See ``train``.
        beside: Other nets.
        given: Images to look up, in place of those of the split.
        memory: Budget in bytes beside the net.
        workers: Processes that decode.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such layer.
        StriateError: Fewer images than neighbours, or what a part cannot take; the message says which.
    """
    wish = wish or Wish()
    case = _case(net, data, wish, memory=memory, workers=workers, progress=progress)
    left_out: list[str] = []
    neighbours, album = _neighbours(case, given, memory=memory)
    projection, places, plane = _projection(case)
    album |= plane
    probes = _probes(case, train, dev, left_out, memory=memory, workers=workers, progress=progress)
    similarity = _similarity(case, beside, left_out, memory=memory, workers=workers, progress=progress)
    tree = None
    if case.labels is not None:
        tree = class_tree(case.code, case.labels, data.classes, metric=wish.metric)
    moved = None
    if wish.invariance:
        rows = spread(len(case.data), IMAGES)
        device = next((each.device for each in net.parameters()), torch.device("cpu"))
        known = case.labels is not None and len(net.classes) == len(data.classes)
        moved = invariance(
            net,
            case.data.images(rows).to(device),
            _some(case.layers, CURVES),
            labels=case.labels[rows] if known and case.labels is not None else None,
            seed=wish.seed,
            memory=memory,
            progress=progress,
        )
    site = find_layer(net, case.size, case.layer)
    result = Embedding(
        net=net.name,
        data=data.name,
        split=data.split,
        n=len(case.data),
        names=tuple(data.classes),
        labelled=case.labels is not None,
        layer=case.layer,
        width=case.code.shape[1],
        pooling=pooling_words(site.shape, case.size, parted(case.layer)[1]),
        neighbours=neighbours,
        projection=projection,
        probes=probes,
        similarity=similarity,
        tree=tree,
        invariance=moved,
        left_out=tuple(left_out),
    )
    arrays = {"codes.npz": case.code, **({} if places is None else {"plane.npz": places})}
    return result, album, arrays


def spread(count: int, most: int) -> Tensor:
    """At most so many of ``count`` rows, evenly apart."""
    return torch.arange(most) * count // most if count > most else torch.arange(count)


def _case(net: Net, data: Dataset, wish: Wish, *, memory: int, workers: int, progress: Progress) -> _Case:
    if len(data) <= wish.neighbours:
        raise StriateError(
            f"the split {data.split} of {data.name}, {len(data)} in all, is too small for {wish.neighbours} neighbours",
            accepted=f"more images than neighbours: at least {wish.neighbours + 1}",
            hint="--shares 0/0/100 takes all images of a folder, --neighbours fewer",
        )
    data.ready()
    size = data.size or net.a_size()
    layer = full_name(net, size, wish.layers[0]) if wish.layers else code_layer(net, size)
    if wish.layers:
        layers = tuple(dict.fromkeys(full_name(net, size, each) for each in wish.layers))
        layers = tuple(sorted(layers, key=lambda each: depth_of(net, size, each)))
    else:
        layers = spread_layers(net, size, layer) if wish.probes or wish.invariance else (layer,)
    codes = codes_of(
        net, data, layers, side=fitting_side(data, size, memory=memory), memory=memory, workers=workers,
        progress=progress,
    )  # fmt: skip
    data = data if len(codes.rows) == len(data) else data.take(codes.rows)
    labels = data.labels.to(torch.int64) if data.task == "classes" else None
    return _Case(net, data, size, codes, layers, layer, wish, labels)


def _neighbours(case: _Case, given: Given | None, *, memory: int) -> tuple[Neighbours, dict[str, bytes]]:
    wish, pixels, code = case.wish, case.codes.of["input"], case.code
    everyone = torch.arange(len(code))
    by_code, by_pixels = (
        nearest(each, each, wish.neighbours, metric=wish.metric, own=everyone) for each in (code, pixels)
    )
    both = (by_code[0][:, :, None] == by_pixels[0][:, None]).any(2).double().mean(1)
    shared = _mean(both, wish.seed)
    why = _unpaired(case.labels)
    if case.labels is not None and not why:
        found = compare_agreement(case.labels, by_code[0], by_pixels[0], seed=wish.seed)
    else:
        missing = Number.missing(why)
        found = Agreement(missing, missing, missing, missing, missing, missing)
    queries, album = _shown(case, by_code, by_pixels) if given is None else _looked_up(case, given, memory=memory)
    neighbours = Neighbours(
        k=wish.neighbours,
        metric=wish.metric,
        pixels=case.codes.pixels,
        code_agreement=found.code,
        pixel_agreement=found.pixels,
        difference=found.difference,
        code_first=found.code_first,
        pixel_first=found.pixel_first,
        chance=found.chance,
        shared=shared,
        queries=queries,
    )
    return neighbours, album


Found = tuple[Tensor, Tensor]


def _shown(case: _Case, by_code: Found, by_pixels: Found) -> tuple[tuple[Query, ...], dict[str, bytes]]:
    rows = spread(len(case.data), case.wish.queries).tolist()
    queries = tuple(
        Query(
            int(case.codes.rows[row]),
            case.data.name_of(row),
            -1 if case.labels is None else int(case.labels[row]),
            _near(case, by_code[0][row], by_code[1][row]),
            _near(case, by_pixels[0][row], by_pixels[1][row]),
            key_of(row) if case.wish.pictures else "",
        )
        for row in rows
    )
    album = _album(case, [*rows, *by_code[0][rows].flatten().tolist(), *by_pixels[0][rows].flatten().tolist()])
    return queries, album


def _looked_up(case: _Case, given: Given, *, memory: int) -> tuple[tuple[Query, ...], dict[str, bytes]]:
    k, metric = case.wish.neighbours, case.wish.metric
    found = codes_of_images(case.net, given.images, [case.layer], side=max(case.codes.pixels[1:]), memory=memory)
    by_code = nearest(found.of[case.layer], case.code, k, metric=metric)
    by_pixels = nearest(found.of["input"], case.codes.of["input"], k, metric=metric)
    album = _album(case, [*by_code[0].flatten().tolist(), *by_pixels[0].flatten().tolist()])
    if case.wish.pictures:
        album |= {f"query-{place}.webp": thumbnail(image.cpu()) for place, image in enumerate(given.images)}
    queries = tuple(
        Query(
            -1,
            name,
            -1,
            _near(case, by_code[0][place], by_code[1][place]),
            _near(case, by_pixels[0][place], by_pixels[1][place]),
            f"query-{place}.webp" if case.wish.pictures else "",
        )
        for place, name in enumerate(given.names)
    )
    return queries, album


def _near(case: _Case, rows: Tensor, distances: Tensor) -> tuple[Near, ...]:
    return tuple(
        Near(
            int(case.codes.rows[row]),
            case.data.name_of(row),
            -1 if case.labels is None else int(case.labels[row]),
            far,
            key_of(row) if case.wish.pictures else "",
        )
        for row, far in zip(rows.tolist(), distances.tolist(), strict=True)
    )


def _album(case: _Case, rows: Sequence[int]) -> dict[str, bytes]:
    return thumbnails(case.data, rows) if case.wish.pictures else {}


def _projection(case: _Case) -> tuple[Projection | None, Tensor | None, dict[str, bytes]]:
    wish = case.wish
    if wish.projection is None:
        return None, None, {}
    rows = spread(len(case.data), PROJECTED)
    codes = case.code[rows]
    plane = project(codes, wish.projection, metric=wish.metric, seed=wish.seed)
    k = min(wish.neighbours, len(rows) - 1)
    labels = None if case.labels is None else case.labels[rows]
    why = _unpaired(labels)
    agreed = code_agreed = Number.missing(why or "not measured")
    if labels is not None and not why:
        own = torch.arange(len(rows))
        agreed = _mean(agreement(labels, in_plane(plane.places, k)), wish.seed)
        code_agreed = _mean(agreement(labels, nearest(codes, codes, k, metric=wish.metric, own=own)[0]), wish.seed)
    album, pictured = {}, 0
    if wish.pictures:
        drawn, pictured = draw_plane(case.data, rows, plane.places)
        album = {"plane.webp": drawn}
    told = torch.full((len(rows),), -1) if labels is None else labels
    projection = Projection(
        method=wish.projection,
        settings=plane.settings,
        n=len(rows),
        explained=tuple(principal_axes(codes, 2)[1].tolist()),
        trustworthiness=kept_neighbours(codes, plane.places, k, metric=wish.metric),
        k=k,
        agreement=agreed,
        code_agreement=code_agreed,
        places=tuple(
            Place(int(case.codes.rows[row]), label, x, y)
            for row, label, (x, y) in zip(rows.tolist(), told.tolist(), plane.places.tolist(), strict=True)
        ),
        picture="plane.webp" if album else "",
        pictured=pictured,
    )
    return projection, plane.places, album


def _probes(
    case: _Case,
    train: Dataset | None,
    dev: Dataset | None,
    left_out: list[str],
    *,
    memory: int,
    workers: int,
    progress: Progress,
) -> Probes | None:
    if not case.wish.probes:
        return None
    if case.labels is None:
        left_out.append("probes: the images have no labels")
        return None
    counts = torch.bincount(case.labels)
    if int((counts > 1).sum()) < 2 or len(case.labels) < 2 * FOLDS:
        left_out.append("probes: they need two classes with two images each, and ten images")
        return None
    k, classes, names = case.wish.neighbours, len(case.data.classes), ("input", *case.layers)
    test = {name: Labelled(_small(case.codes, name), case.labels) for name in names}
    made: dict[str, Fitted] = {}
    rows = []
    others = {}
    if train is not None and dev is not None and len(train) and len(dev):
        for part, data, most in (("fit", train, FITTED), ("choose", dev, CHOSEN)):
            some = data.take(spread(len(data), most))
            codes = codes_of(case.net, some, case.layers, side=SIDE, memory=memory, workers=workers, progress=progress)
            labels = some.labels[codes.rows].to(torch.int64)
            others[part] = {name: Labelled(codes.of[name], labels) for name in names}
        fitted, chosen = len(others["fit"]["input"].labels), len(others["choose"]["input"].labels)
        how = (
            f"fitted on {fitted:,} images of train, penalty and best layer chosen on {chosen:,} of dev, measured on "
            f"{len(case.labels):,} of {case.data.split}"
        )
    else:
        how = (
            f"{FOLDS} folds of the {len(case.labels):,} images of {case.data.split}: each image is measured by probes "
            f"fitted on {FOLDS - 2} other folds, penalty and best layer chosen on one more"
        )
    for name in progress.track(names, "probes", len(names), unit="layers"):
        if others:
            fit, choose = others["fit"][name], others["choose"][name]
            made[name] = linear_probe(fit, choose, test[name], classes=classes)
            near = nearest_probe(fit, test[name], k, classes=classes)
        else:
            made[name], near = probed_by_folds(test[name], k, classes=classes, seed=case.wish.seed)
        n = len(case.labels)
        rows.append(
            Probe(
                name,
                depth_of(case.net, case.size, name),
                test[name].codes.shape[1],
                wilson(int(made[name].right.sum()), n),
                made[name].penalty,
                wilson(int(near.sum()), n),
            )
        )
    best = max(case.layers, key=lambda name: (made[name].chosen, case.layers.index(name)))
    last = case.layers[-1]
    return Probes(
        tuple(rows),
        wilson(int(counts.max()), len(case.labels)),
        how,
        k,
        best,
        mcnemar(made[best].right, made["input"].right).difference,
        mcnemar(made[best].right, made[last].right).difference
        if best != last
        else Number.missing("it is the last layer"),
    )


def _small(codes: Codes, name: str) -> Tensor:
    """The codes of a layer; pixels with at most `SIDE` a side."""
    if name != "input":
        return codes.of[name]
    return torch.cat(
        [shrunk(part.view(-1, *codes.pixels), SIDE).flatten(1) for part in torch.split(codes.of[name], 256)]
    )


def _similarity(
    case: _Case,
    beside: Sequence[Beside],
    left_out: list[str],
    *,
    memory: int,
    workers: int,
    progress: Progress,
) -> Similarity | None:
    if not beside and (len(case.layers) < 2 or not case.wish.probes):
        return None
    rows = spread(len(case.data), COMPARED)
    several = bool(beside)
    count = CURVES - 1 if several else len(case.layers)
    own = case.net.name.rpartition("/")[2]
    found: list[tuple[str, Tensor]] = [
        (f"{own}: {name}" if several else name, case.codes.of[name][rows]) for name in _some(case.layers, count)
    ]
    for each in beside:
        data = each.data.take(case.codes.rows[rows])
        data.ready()
        size = data.size or each.net.a_size()
        layers = _some(spread_layers(each.net, size, code_layer(each.net, size)), count)
        codes = codes_of(each.net, data, layers, side=1, memory=memory, workers=workers, progress=progress)
        if len(codes.rows) != len(rows):
            raise StriateError(
                f"{each.name} could read {len(codes.rows)} of {len(rows)} images", accepted="the same images"
            )
        found += [(f"{each.name}: {name}", codes.of[name]) for name in layers]
    if len(rows) < 4:
        left_out.append(f"similarity: {len(rows)} images are too few")
        return None
    pairs = [(a, b) for a in range(len(found)) for b in range(a, len(found))]
    made = tuple(
        Similar(
            a,
            b,
            cka(found[a][1], found[b][1]),
            debiased_cka(found[a][1], found[b][1]),
            svcca(found[a][1], found[b][1]),
        )
        for a, b in progress.track(pairs, "similarity", len(pairs), unit="pairs")
    )
    names = tuple(name for name, _ in found)
    return Similarity(names, tuple(codes.shape[1] for _, codes in found), len(rows), KEEP, made)


def _unpaired(labels: Tensor | None) -> str:
    """Why no two images could share a label; "" where two do."""
    if labels is None:
        return "the images have no labels"
    return "" if int(torch.bincount(labels).max()) > 1 else "no class has two images"


def _mean(values: Tensor, seed: int) -> Number:
    return bootstrapped(lambda rows: values[rows].mean(1), len(values), seed=seed, method="percentile")


def _some(layers: Sequence[str], count: int) -> tuple[str, ...]:
    """At most ``count`` layers, evenly apart, the last among them."""
    if len(layers) <= count:
        return tuple(layers)
    return tuple(layers[round((step + 1) * (len(layers) - 1) / count)] for step in range(count))
