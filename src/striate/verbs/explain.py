"""`striate explain`: which pixels made a net say so, and which maps can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.finding import Finding
from striate.core.progress import SILENT
from striate.core.report import Report
from striate.inside.payload import Explanation

from .options import Computing, DataLike, ImagesLike, NetArgument, Option, count, number, words
from .session import as_taken, session, shown, write_out

if TYPE_CHECKING:
    from torch import Tensor

    from striate.nets.net import Net

REFERENCES = 32  # images taken of a data set
NONE = "none"
OF_METHODS = ("layer", "patch", "stride", "samples", "noise", "steps", "baseline")  # options that go to methods


def colours(text: str) -> float | tuple[float, ...] | str:
    """``mean``, one pixel value, or one for each channel."""
    if text.strip() == "mean":
        return "mean"
    values = tuple(number(part, "baseline") for part in words(text))
    return values[0] if len(values) == 1 else values


def assignments(text: str) -> dict[str, str]:
    """Names and values, such as ``area=0.2,check=no``."""
    found: dict[str, str] = {}
    for part in words(text):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not (name and equals and value):
            raise StriateError(f"set is {text!r}", accepted="NAME=VALUE[,NAME=VALUE], such as area=0.2,check=no")
        found[name.replace("-", "_")] = value
    return found


class Explaining(Computing, total=False):
    """What the verb takes for its methods: each option goes to those that have it; and for what is dear."""

    sanity_labels: Annotated[
        DataLike | None, Option("train lenet5 on DATA with true and with permuted labels: do maps differ?", "DATA")
    ]

    layer: Annotated[
        str | None, Option("site or module path that grad_cam looks at (default: the last with extent)", "SITE")
    ]
    patch: Annotated[
        int | None, Option("side of the occluding patch in pixels", "PX", parse=lambda text: count(text, "patch"))
    ]
    stride: Annotated[
        int | None, Option("step of the occluding patch in pixels", "PX", parse=lambda text: count(text, "stride"))
    ]
    samples: Annotated[
        int | None, Option("random draws of methods that draw", "N", parse=lambda text: count(text, "samples"))
    ]
    noise: Annotated[
        float | None,
        Option(
            "standard deviation of the noise they add, in pixel values", "X", parse=lambda text: number(text, "noise")
        ),
    ]
    steps: Annotated[
        int | None,
        Option("points on the path of methods that follow one", "N", parse=lambda text: count(text, "steps")),
    ]
    baseline: Annotated[
        float | tuple[float, ...] | str | None,
        Option("what covers, or where paths start: pixel value, one a channel, or mean", "X[,X,X]", colours),
    ]
    references: Annotated[DataLike | None, Option("images to compare with: a data set, or a folder of images", "DATA")]
    limit: Annotated[
        int | None, Option("at most N images of a data set whose objects are marked (default: 16)", "N", parse=count)
    ]
    set: Annotated[
        Mapping[str, object] | str | None,
        Option("further options of methods, such as area=0.2,check=no", "NAME=VALUE[,...]", assignments),
    ]


def explain(
    net: NetArgument,
    images: Annotated[
        ImagesLike, Option("image files, a folder of them, or data whose objects are marked", "IMAGE", many=True)
    ],
    *,
    method: Annotated[
        str | tuple[str, ...], Option("one or several methods, or all (striate methods lists them)", "M[,M]", words)
    ] = ("gradient", "grad_cam", "occlusion"),
    target: Annotated[
        str | None, Option("class to explain, for all images (default: what the net says of each)", "CLASS")
    ] = None,
    faithfulness: Annotated[
        str | tuple[str, ...], Option("measures of how far each map can be believed, or none", "M[,M]", words)
    ] = ("deletion", "insertion"),
    sanity: Annotated[bool, Option("make the maps again with ever more random weights: do they change?")] = False,
    object: Annotated[  # noqa: A002
        bool, Option("cut the object out of each image, started from the first method's map")
    ] = False,
    out: Annotated[str | Path | None, Option("folder for maps, pictures and the page", "DIR")] = None,
    **shared: Unpack[Explaining],
) -> Report[Explanation]:
    """Show which pixels made a net say so: maps side by side, each with its own check and how far it can be believed.

    Without a target each image is explained for the class that the net predicts for it. Maps are written as npz files
    whose ``values`` are raw and signed, (H, W) or (C, H, W). ``all`` is every method that works on the net; those of
    more than 500 passes a map only where they are named too (``all,rise``). Each map is measured beside noise and
    the image's own edges: some 30 forward passes an image for each of them. ``sanity`` takes five times a method's.
    """
    given = {name: value for name, value in locals().items() if name != "shared"}
    with session("explain", given, shared, Explaining) as run:
        from striate.core.progress import Progress
        from striate.inside.attribution import METHODS
        from striate.inside.explain import ALL
        from striate.inside.explain import explain as explain_images
        from striate.inside.faithfulness import MEASURES, OF_OBJECTS
        from striate.inside.findings import explanation_findings
        from striate.inside.method_options import sorted_out

        from .images import check_paths

        methods = words(method) if isinstance(method, str) else tuple(method)
        measures = _measures(faithfulness)
        more = _further(run["set"])
        for name in (each for each in methods if each != ALL):
            METHODS[name]  # an unknown one is said before a net is loaded
        sorted_out(list(METHODS) if ALL in methods else methods, seed=0, given=more)  # and so are unknown options
        marked = any(name in OF_OBJECTS for name in measures)
        if not marked:
            check_paths(images)
        loaded = run.net(net)
        names, pixels, left_out, masks = _opened(images, loaded, marked=marked, limit=run["limit"])
        result, album, arrays = explain_images(
            loaded,
            pixels,
            names,
            methods=methods,
            targets=target,
            same_target=target is not None,
            faithfulness=measures,
            sanity=sanity,
            objects=object,
            masks=masks,
            references=None if run["references"] is None else reference_images(run["references"], loaded),
            seed=run["seed"],
            memory=run["memory"],
            progress=Progress(quiet=run["quiet"]),
            more=more,
            **{name: run[name] for name in OF_METHODS},
        )
        used = tuple(dict.fromkeys(row.method for row in result.maps))
        if run["sanity_labels"] is not None:
            result = _with_labels(result, run["sanity_labels"], used, seed=run["seed"])
        cites = [key for name in used for key in METHODS[name].cites]
        cites += [key for name in measures for key in MEASURES[name].cites]
        cites += ["adebayo2018sanity"] * (sanity or bool(result.labels)) + ["rother2004grabcut"] * object
        findings = (*left_out, *explanation_findings(result, net=str(shown(net))))
        report = run.report(result, findings=findings, album=album, arrays=arrays, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])


def _opened(
    images: ImagesLike, net: Net, *, marked: bool, limit: int | None
) -> tuple[list[str], Tensor, list[Finding], Tensor | None]:
    """Names, pixels, what was left out, and where objects are: asked of the data where a measure needs it."""
    from .images import open_images
    from .marked import open_marked

    if marked:
        names, pixels, masks = open_marked(images, net, limit=limit)
        return names, pixels, [], masks
    if limit is not None:
        raise StriateError(
            f"limit is {limit}, and files of images are all taken",
            accepted="with --faithfulness pointing_game or iou, on a data set whose objects are marked",
        )
    return *open_images(images, net), None


def _further(given: Mapping[str, object] | str | None) -> Mapping[str, object]:
    """The further options; one that the verb has itself is refused, as it would be said twice."""
    found = assignments(given) if isinstance(given, str) else dict(given or {})
    for name in found:
        if name in Explaining.__annotations__ or name == "seed":
            raise StriateError(f"{name} is an option of its own", accepted=f"--{name} {found[name]}")
    return found


def reference_images(given: DataLike, net: Net) -> Tensor:
    """The first images of a folder or of a data set's training images, as the net takes them, (M, C, H, W)."""
    from striate.data.dataset import Dataset, Splits
    from striate.data.load import load_data

    from .images import open_images

    path = Path(given) if isinstance(given, (str, Path)) else None
    if path is not None and path.is_dir() and any(each.is_file() for each in path.glob("*.[pjPJ]*g")):
        return open_images(sorted(path.glob("*.[pjPJ]*g"))[:REFERENCES], net)[1]
    data = given if isinstance(given, Dataset) else load_data(given, split="train")
    if isinstance(data, Splits):
        data = data.train
    taken = as_taken(data, net).limit(REFERENCES)
    return taken.images(range(len(taken))).to(next(iter(net.parameters())).device)


def _with_labels(result: Explanation, data: DataLike, methods: Sequence[str], *, seed: int) -> Explanation:
    """The explanation with what permuted labels do to the maps of those methods that work on LeNet-5."""
    from striate.data.load import load_splits
    from striate.inside.attribution import METHODS
    from striate.inside.permuted import permuted_labels

    makers = {method: partial(METHODS.load(method), memory=1 << 30, progress=SILENT) for method in methods}
    rows, learnt = permuted_labels("striate/lenet5", load_splits(data, size=32), makers, seed=seed)
    return replace(result, labels=rows, learnt=learnt)


def _measures(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """The measures asked for; an unknown one is an error."""
    from striate.inside.faithfulness import MEASURES

    names = words(given) if isinstance(given, str) else tuple(given)
    if names in ((NONE,), ()):
        return ()
    for name in names:
        MEASURES[name]
    return tuple(dict.fromkeys(names))
