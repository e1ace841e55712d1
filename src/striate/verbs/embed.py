"""`striate embed`: codes of a net, and what lies near what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.core.report import Report
from striate.inside.embedding.payload import Embedding

from .options import (
    DataArgument,
    DataLike,
    NetArgument,
    NetLike,
    OnData,
    Option,
    OutArgument,
    at_least_one,
    count,
    words,
)
from .session import Session, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.inside.embedding.embed import Beside, Given
    from striate.nets.net import Net


def queries_of(text: str) -> int | tuple[str, ...]:
    """How many images to show, or the files to look up."""
    parts = words(text)
    if len(parts) == 1 and parts[0].lstrip("-").isdigit():
        return at_least_one(int(parts[0]), "queries")
    return parts


LAYER = Option(
    "sites or module paths: the first gives the code, all are probed (default: the last layer's input, and some spread "
    "over the net)",
    "L[,L]",
    words,
)
NEIGHBOURS = Option("nearest images to look at", "N", parse=lambda text: count(text, "neighbours"))
QUERIES = Option(
    "images shown with their neighbours: how many of the split, or image files", "N|IMAGE[,IMAGE]", queries_of
)


def embed(
    net: NetArgument,
    data: DataArgument,
    *,
    layer: Annotated[str | tuple[str, ...] | None, LAYER] = None,
    neighbours: Annotated[int, NEIGHBOURS] = 6,
    queries: Annotated[int | str | tuple[str, ...], QUERIES] = 8,
    metric: Annotated[Literal["euclidean", "cosine"], Option("distance of codes, and of pixels")] = "euclidean",
    projection: Annotated[
        Literal["pca", "tsne", "umap", "none"], Option("how the codes are laid out in a plane")
    ] = "tsne",
    with_net: Annotated[
        NetLike | tuple[NetLike, ...] | None,
        Option("other nets whose layers are compared with these", "NET[,NET]", words),
    ] = None,
    no_probes: Annotated[bool, Option("leave out probes by layer and the comparison of layers")] = False,
    invariance: Annotated[bool, Option("follow each layer while images are shifted, scaled, turned")] = False,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Embedding]:
    """Show what a layer makes of images: nearest neighbours by code and by pixels, a plane, probes, a tree of classes.

    The code of an image is the output of a layer, averaged over space or tokens. Without labels, neighbours and the
    plane are still shown. Probes are fitted on at most 2,000 images of train and their penalty is chosen on at most
    1,000 of dev; data without these splits are probed in five folds of what is measured. Layers, and with --with-net
    nets, are compared by CKA and SVCCA.

    Cost: one forward pass an image; for probes one for each image of train and dev that they take; for each other net
    one for each of at most 1,000 images; for invariance 30 for each of at most 64 images.

    >>> import striate
    >>> report = striate.embed("striate/small", "shapes", projection="pca", no_probes=True, limit=60, quiet=True)
    >>> report.result.neighbours.k, report.result.width
    (6, 128)
    """
    given = {
        "net": net, "data": data, "layer": layer, "neighbours": neighbours, "queries": queries, "metric": metric,
        "projection": projection, "with_net": with_net, "no_probes": no_probes, "invariance": invariance, "out": out,
    }  # fmt: skip
    with session("embed", given, shared, OnData) as run:
        from striate.inside.embedding.embed import Wish, embed_split
        from striate.inside.embedding.findings import embedding_findings

        wanted = queries_of(queries) if isinstance(queries, str) else queries
        wish = Wish(
            layers=words(layer) if isinstance(layer, str) else tuple(layer or ()),
            neighbours=at_least_one(neighbours, "neighbours"),
            queries=at_least_one(wanted, "queries") if isinstance(wanted, int) else 0,
            metric=metric,
            projection=None if projection == "none" else projection,
            probes=not no_probes,
            invariance=invariance,
            pictures=out is not None,
            seed=run["seed"],
        )
        loaded = run.net(net)
        images = run.data(data, loaded, labels=False)
        learning = {} if no_probes else _learning(run, data, loaded, images)
        result, album, arrays = embed_split(
            loaded,
            images,
            wish=wish,
            **learning,
            beside=_beside(run, with_net, data),
            given=None if isinstance(wanted, int) else _given(loaded, images, wanted),
            memory=run["memory"],
            workers=run["workers"],
            progress=run.progress,
        )
        result = replace(result, net=str(shown(net)), data=str(shown(data)))
        findings = embedding_findings(result, net=str(shown(net)), data=str(shown(data)))
        report = run.report(result, findings=findings, album=album, arrays=arrays, cites=_cites(result))
        return write_out(report, out, overwrite=run["overwrite"])


def _cites(result: Embedding) -> list[str]:
    """Papers behind the parts that were computed."""
    from striate.inside.embedding.projection import METHODS

    cites = ["krizhevsky2012imagenet"]
    if result.projection is not None:
        cites += [*METHODS[result.projection.method], "venna2001neighborhood"]
    if result.probes is not None:
        cites += ["alain2017understanding", "hoerl1970ridge", "cover1967nearest"]
    if result.similarity is not None:
        cites += ["kornblith2019similarity", "song2012feature", "nguyen2021wide", "raghu2017svcca"]
    cites += ["sokal1962comparison"] if result.tree is not None else []
    cites += ["zeiler2014visualizing"] if result.invariance is not None else []
    return cites


def _given(net: Net, images: Dataset, paths: tuple[str, ...]) -> Given:
    """The images to look up, as the net and the data take them."""
    from striate.inside.embedding.embed import Given

    from .images import check_paths, open_images

    check_paths(paths)
    sized = net if net.size is not None or net.geometry is not None else net.adapted(size=images.size)
    names, pixels, _ = open_images(paths, sized)
    return Given(names, pixels)


def _beside(run: Session, given: Any, data: DataLike) -> list[Beside]:
    """Other nets, each with the same images as it takes them."""
    from striate.inside.embedding.embed import Beside

    if given is None:
        return []
    nets = words(given) if isinstance(given, str) else given if isinstance(given, (tuple, list)) else (given,)
    first, origins, found = run.net_origin or {}, [], []
    for each in nets:
        net = run.net(each)
        name = str(shown(each) or net.name)
        origins.append({**(run.net_origin or {}), "name": name})
        quiet = replace(run, progress=SILENT, cites=[], findings=[], used=[])
        found.append(Beside(name, net, quiet.data(data, net, labels=False)))
    run.net_origin = {**first, "nets": [first, *origins]}
    return found


def _learning(run: Session, given: DataLike, net: Net, measured: Dataset) -> dict[str, Dataset | None]:
    """What probes learn from, as `embed_split` takes it."""
    return {split: _split_images(run, given, net, measured, split) for split in ("train", "dev")}


def _split_images(run: Session, given: DataLike, net: Net, measured: Dataset, split: str) -> Dataset | None:
    """Labelled images of another split, at most as many as the limit; None where there is none to learn from.

    Probes of the train or the dev split would be measured on what they were fitted or chosen on: there is none then.
    """
    from striate.data.dataset import Dataset

    if isinstance(given, Dataset) or run["split"] != "test" or measured.task != "classes":
        return None
    settings = {**run.settings, "split": split}
    apart = replace(run, settings=settings, progress=SILENT, cites=[], findings=[], used=[])
    try:
        return apart.data(given, net)
    except StriateError:  # folds of what is measured take its place, and the report says so
        return None
