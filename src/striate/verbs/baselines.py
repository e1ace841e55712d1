"""`striate baselines`: what simple classifiers on features made by hand reach, which a net has to beat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.progress import SILENT
from striate.core.report import Report
from striate.learn.baselines.payload import Baselines, Templates

from .options import Computing, DataArgument, DataLike, NetLike, Option, OutArgument, Source, at_least_one, count, words
from .session import Session, as_taken, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset, Splits
    from striate.learn.baselines.measure import Measured
    from striate.measure.table import Table

CITES = ("wilson1927probable", "mcnemar1947note", "newcombe1998improved")
LARGEST = 64  # pixels of a side up to which templates are drawn
LARGEST_TRAINED = 96  # sides beyond it are more than the small nets take
MOST_TEMPLATES = 30


class OnSplits(Computing, Source, total=False):
    """What verbs take that learn from one split and measure on another."""


def baselines(
    data: DataArgument,
    *,
    features: Annotated[
        str | tuple[str, ...] | None,
        Option("which, `striate methods` lists them (default: all that can be made here)", "F[,F]", words),
    ] = None,
    classifiers: Annotated[
        str | tuple[str, ...] | None, Option("which, `striate methods` lists them (default: all)", "C[,C]", words)
    ] = None,
    net: Annotated[
        NetLike | tuple[NetLike, ...] | None,
        Option("nets beside them, on the same test images", "NET[,NET]", words),
    ] = None,
    images: Annotated[
        int, Option("training images to learn from, at most", "N", lambda text: count(text, "images"))
    ] = 10_000,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[OnSplits],
) -> Report[Baselines]:
    """Measure what features made by hand and simple classifiers reach on a data set: what a net has to beat.

    Every feature with every classifier: fitted on train, its setting (C, k, epochs) chosen on at most 2,500 images of
    dev, measured once on test. The best is the best on dev. Nets are compared with it image by image.

    Cost: some CPU seconds to minutes; the visual words take about 2 ms an image. For each net a forward pass an image.

    >>> import striate
    >>> report = striate.baselines("digits", features="pixels,hog", classifiers="means,nearest", quiet=True)
    >>> report.result.best.name
    'hog, nearest'
    """
    given = {
        "data": data, "features": features, "classifiers": classifiers, "net": net, "images": images, "size": size,
        "out": out,
    }  # fmt: skip
    with session("baselines", given, shared, OnSplits) as run:
        from striate.learn.baselines import CLASSIFIERS, FEATURES
        from striate.learn.baselines.measure import measure_baselines
        from striate.learn.baselines.reported import baseline_findings, reported

        at_least_one(images, "images")
        described, kinds = _named(features) or _possible(run), _named(classifiers) or tuple(CLASSIFIERS)
        splits = run.splits(data, size=size)
        run.progress.say(splits.said)
        measured = measure_baselines(
            splits.train, splits.dev, splits.test, features=described, classifiers=kinds, images=images,
            memory=run["memory"], workers=run["workers"], seed=run["seed"], progress=run.progress,
        )  # fmt: skip
        tables = _tables(run, net, data, splits)
        result = reported(measured, splits.train, nets=tables, data=str(shown(data)))
        templates, album = _templates(measured, splits)
        result = replace(result, templates=templates)
        large = size is None and (splits.train.size is None or max(splits.train.size) > LARGEST_TRAINED)
        sized = ("--size", "64") if large else ()
        findings = baseline_findings(result, nets=list(tables), data=str(shown(data)), sized=sized)
        cites = [*CITES, *(key for name in described for key in FEATURES[name].cites)]
        cites += [key for name in kinds for key in CLASSIFIERS[name].cites]
        report = run.report(result, findings=findings, album=album, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])


def _named(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return words(given) if isinstance(given, str) else tuple(given or ())


def _possible(run: Session) -> tuple[str, ...]:
    """All features, but for the visual words where OpenCV is not installed, which is said."""
    from importlib.util import find_spec

    from striate.learn.baselines import FEATURES

    if find_spec("cv2") is not None:
        return tuple(FEATURES)
    run.progress.say('visual words are left out: they need OpenCV, pip install "striate[classical]"')
    return tuple(name for name in FEATURES if name != "words")


def _tables(run: Session, given: Any, data: DataLike, splits: Splits) -> dict[str, Table]:
    """What each net says of the test images, brought to it from the files as they are."""
    from striate.measure.alignment import aligned

    if given is None:
        return {}
    nets = words(given) if isinstance(given, str) else given if isinstance(given, (tuple, list)) else (given,)
    quiet = replace(run, progress=SILENT, cites=[], findings=[], used=[])
    plain = quiet.splits(data).test
    found: dict[str, Table] = {}
    for each in nets:
        loaded = run.net(each)
        view: Dataset = as_taken(plain if loaded.size or loaded.geometry else splits.test, loaded)
        found[str(shown(each) or loaded.name)] = run.table(loaded, aligned(view, loaded)[0])
    return found


def _templates(measured: Measured, splits: Splits) -> tuple[Templates | None, dict[str, bytes]]:
    """Weights of the linear classifier on the pixels as pictures, of small images."""
    from striate.inside.filters import draw_filter

    size = splits.train.size
    if measured.linear is None or size is None or max(size) > LARGEST:
        return None, {}
    weights = measured.linear.T[:MOST_TEMPLATES].reshape(-1, splits.train.channels, *size)
    end = float(weights.abs().max()) or 1.0
    album = {f"template-{place:03d}.png": draw_filter(one, end) for place, one in enumerate(weights)}
    return Templates(measured.linear_name, tuple(album), (-end, end)), album
