"""`striate attack`: how little change fools a net."""

from __future__ import annotations

from typing import Annotated, Literal, Unpack

from striate.attacks.payload import Robustness
from striate.attacks.payload_shared import Corrupted, Patched, Spatial, Universal
from striate.core.report import Report

from .options import DataArgument, NetArgument, OnData, Option, OutArgument, count, number, numbers, words
from .session import session, write_out


def attack(
    net: NetArgument,
    data: DataArgument,
    *,
    method: Annotated[str, Option("attack; `striate methods` lists them", "M")] = "pgd",
    norm: Annotated[
        Literal["inf", "2", "1", "0"] | None, Option("norm that measures the change (default: inf)")
    ] = None,
    radius: Annotated[
        float | None,
        Option(
            "largest change in it, pixels in [0, 1] (default: 8/255, L2 .5, L1 12, L0 1 pixel; universal 10/255)",
            "R",
            number,
        ),
    ] = None,
    target: Annotated[str | None, Option("class to be taken for (default: any wrong one)", "CLASS")] = None,
    steps: Annotated[
        int | None,
        Option("steps; spatial: random moves (default: the method's)", "N", parse=lambda text: count(text, "steps")),
    ] = None,
    radii: Annotated[
        tuple[float, ...], Option("more radii, for a curve, such as 1/255,2/255,4/255", "R,R", numbers)
    ] = (),
    eight_bit: Annotated[bool, Option("search images of 8 bits alone: what fools does so as a file too")] = False,
    bounds: Annotated[
        tuple[str, ...], Option("certified accuracy beside it: ibp (intervals), smoothing", "B,B", words)
    ] = (),
    transfer: Annotated[
        tuple[str, ...], Option("other nets, to see which images found on one fool which", "NET,NET", words)
    ] = (),
    fit: Annotated[
        int | None,
        Option(
            "universal, patch: fit on the first N images, judge on the others (default: two thirds)",
            "N",
            parse=lambda text: count(text, "fit"),
        ),
    ] = None,
    area: Annotated[
        float | None,
        Option("patch: largest share of an image (default: .1)", "A", parse=lambda text: number(text, "area")),
    ] = None,
    reference: Annotated[
        str | None, Option("corruptions: net whose errors are the unit of the mean corruption error", "NET")
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Robustness] | Report[Universal] | Report[Patched] | Report[Corrupted] | Report[Spatial]:
    """Measure how often a net stays right when images change a little, or are all attacked or corrupted alike.

    Most methods change each image by at most ``radius``: it counts as robust when no image was found there that is
    misclassified (or, with a target, taken for it). Success is what a fresh forward pass on the returned float32 image
    says; the report also says what survives 8 bits and JPEG. An attack gives an upper bound of the true robust
    accuracy; ``--bounds`` adds lower ones: what intervals certify of the net, and smoothing of the net under noise.
    ``universal`` and ``patch`` make one change for all images on a part of them and judge it on the rest;
    ``corruptions`` measures 15 kinds of damage at 5 strengths, ``spatial`` the worst shift and turn of each image. An
    option that means nothing to a method is refused.
    """
    options = {
        "norm": norm, "radius": radius, "target": target, "steps": steps, "radii": radii,
        "eight_bit": eight_bit or None, "bounds": bounds, "transfer": transfer, "fit": fit, "area": area,
        "reference": reference,
    }  # fmt: skip
    given = {"net": net, "data": data, "method": method, **options, "out": out}
    with session("attack", given, shared, OnData) as run:
        from .attacking import attacking

        return write_out(attacking(run, method, net, data, options), out, overwrite=run["overwrite"])
