"""`striate augment`: images under every transform, marks and all."""

from __future__ import annotations

from typing import Annotated, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.payload import Augmented

from .options import DataArgument, Option, OutArgument, Placed, Source, at_least_one, count, words
from .session import session, shown, write_out


class OnImages(Placed, Source, total=False):
    """What verbs take that change the images of one split."""

    split: Annotated[Literal["train", "dev", "test"], Option("which split to take", default="train")]


def augment(
    data: DataArgument,
    *,
    transforms: Annotated[
        str | tuple[str, ...] | None, Option("which, `striate methods` lists them (default: all)", "T[,T]", words)
    ] = None,
    images: Annotated[int, Option("how many images", "N", lambda text: count(text, "images"))] = 4,
    draws: Annotated[int, Option("draws shown of each image", "N", lambda text: count(text, "draws"))] = 1,
    out: OutArgument = None,
    **shared: Unpack[OnImages],
) -> Report[Augmented]:
    """Show images under each transform, with boxes, masks and regions drawn on; say what it changed and what it lost.

    The images are spread evenly over the split. Each is shown at 224 pixels at most, and measured there over 16 draws.
    A transform that is made in a share of the images is shown where it is made; `train --augment` makes them.

    >>> import striate
    >>> report = striate.augment("shapes", transforms="rotation", images=2, limit=20, quiet=True)
    >>> report.result.transforms[0].words
    'turned by up to 30 degrees'
    """
    given = {"data": data, "transforms": transforms, "images": images, "draws": draws, "out": out}
    with session("augment", given, shared, OnImages) as run:
        from striate.data.augment import augmented_grid
        from striate.data.harm import augment_findings
        from striate.data.transforms import TRANSFORMS

        at_least_one(images, "images")
        at_least_one(draws, "draws")
        names = words(transforms) if isinstance(transforms, str) else transforms
        for name in names or ():
            TRANSFORMS[name]  # an unknown name stops before the data are read
        chosen = run.data(data)
        if not len(chosen):
            raise StriateError(f"the {chosen.split} split of {chosen.name} has no images", accepted="at least one")
        some = min(images, len(chosen))
        rows = [number * len(chosen) // some for number in range(some)]
        result, album = augmented_grid(
            chosen, rows, names=names, draws=draws, seed=run["seed"], device=run["device"], progress=run.progress
        )
        findings = augment_findings(result, chosen.classes, data=str(shown(data)))
        cites = [key for each in result.transforms for key in TRANSFORMS[each.name].cites]
        report = run.report(result, findings=findings, album=album, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])
