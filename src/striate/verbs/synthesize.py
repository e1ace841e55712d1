"""`striate synthesize`: paint what a net looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Unpack

from striate.core.report import Report
from striate.synthesis.payload import Synthesis

from .options import Computing, NetArgument, NetLike, Option, count, words
from .session import session, write_out


def synthesize(
    kind: Annotated[Literal["class"], Option("what to paint")],
    net: NetArgument,
    *,
    target: Annotated[
        str | tuple[str, ...] | None,
        Option("classes, by name or number (default: the first ten)", "CLASS[,CLASS]", words),
    ] = None,
    steps: Annotated[int, Option("steps of ascent", "N", parse=lambda text: count(text, "steps"))] = 128,
    size: Annotated[
        int | None, Option("side in pixels (default: the net's own)", "PX", parse=lambda text: count(text, "size"))
    ] = None,
    preset: Annotated[
        Literal["pixels", "olah"], Option("pixels with a penalty on contrast, or the spectrum under random views")
    ] = "pixels",
    judge: Annotated[NetLike | None, Option("another net that says what it sees", "NET")] = None,
    out: Annotated[str | Path | None, Option("folder for the pictures", "DIR")] = None,
    **shared: Unpack[Computing],
) -> Report[Synthesis]:
    """Paint images that a net holds for typical of a class, by ascending its score (Simonyan et al. 2013).

    Every image is scored again after rounding to 8 bits, and by a second net where one is given.
    """
    given = {"kind": kind, "net": net, "target": target, "steps": steps, "size": size, "preset": preset}
    given |= {"judge": judge, "out": out}
    with session("synthesize", given, shared, Computing) as run:
        from striate.core.classes import class_number
        from striate.synthesis.visualise import PRESETS, SOURCES, class_images

        loaded = run.net(net)
        seen_by = None if judge is None else run.net(judge)
        names = (words(target) if isinstance(target, str) else target) or tuple(
            map(str, range(min(10, len(loaded.classes))))
        )
        result, album = class_images(
            loaded,
            [class_number(name, loaded.classes) for name in names],
            steps=steps,
            seed=run["seed"],
            size=(size, size) if size else None,
            judge=seen_by,
            preset=PRESETS[preset],
            progress=run.progress,
        )
        report = run.report(result, album=album, cites=SOURCES[preset])
        return write_out(report, out, overwrite=run["overwrite"])
