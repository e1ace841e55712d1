"""`striate convert`: the same images and marks in another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.payload import Converted

from .options import DataArgument, Option, Source
from .session import session, shown


def convert(
    data: DataArgument,
    *,
    to: Annotated[Literal["voc", "coco", "masks"], Option("layout to write")],
    out: Annotated[str | Path, Option("folder to write", "DIR")],
    draw: Annotated[bool, Option("masks: draw objects as classes of pixels, and drop what tells them apart")] = False,
    **shared: Unpack[Source],
) -> Report[Converted]:
    """Write data with boxes, masks or regions as PASCAL VOC, COCO, or images with masks; nothing is lost on the way.

    Images are copied byte for byte. What the new layout has no place for stands in a field named ``striate``, which is
    read again; what cannot be kept is refused. Undivided data are divided, all into train with ``--shares 1/0/0``.
    """
    given = {"data": data, "to": to, "out": out, "draw": draw}
    with session("convert", given, shared, Source) as run:
        from striate.data.convert import write_coco, write_masks, write_voc

        if to not in {"voc", "coco", "masks"}:
            raise StriateError(f"to is {to!r}", accepted="voc, coco, masks")
        if draw and to != "masks":
            raise StriateError(f"--draw with --to {to}", accepted="--to masks")
        splits = run.splits(data)
        place = Path(out)
        if to == "masks":
            written = write_masks(splits, place, draw=draw, overwrite=run["overwrite"], progress=run.progress)
        else:
            write = write_voc if to == "voc" else write_coco
            written = write(splits, place, overwrite=run["overwrite"], progress=run.progress)
        result = Converted(
            splits.train.name, splits.said, to, written.images, written.objects, written.said, str(shown(place))
        )
        return run.report(result, files={"folder": str(shown(place))})
