"""`striate units`: what makes units fire."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.inside.units.payload import Units

from .options import DataArgument, NetArgument, OnData, Option, count, words
from .session import Session, session, shown, write_out

if TYPE_CHECKING:
    from striate.nets.net import Net

CITES = ("zeiler2014visualizing", "araujo2019computing", "luo2016understanding")
MOST_PAINTED = 24
STEPS = 96


def unit_numbers(text: str) -> tuple[int, ...]:
    """Numbers of units, from 0, separated by commas."""
    found = tuple(int(part) if part.isdecimal() else -1 for part in words(text))
    if not found or min(found) < 0:
        raise StriateError(f"units is {text!r}", accepted="numbers from 0, separated by commas, such as 0,3,17")
    return found


def at_least_none(text: str) -> int:
    """A whole number of at least 0."""
    return 0 if text.strip() == "0" else count(text, "fields")


def units(
    net: NetArgument,
    data: DataArgument,
    *,
    layer: Annotated[
        str | tuple[str, ...],
        Option("sites or module paths (default: up to five over the depth)", "SITE[,SITE]", words),
    ] = (),
    units: Annotated[
        tuple[int, ...], Option("units to show (default: twelve of each layer)", "N[,N]", unit_numbers)
    ] = (),
    top: Annotated[int, Option("patches a unit", "N", lambda text: count(text, "top"))] = 9,
    fields: Annotated[
        int, Option("units a layer whose field is measured by occluders, which is slow", "N", at_least_none)
    ] = 0,
    paint: Annotated[bool, Option("also paint an image for each unit that is shown, at most 24")] = False,
    out: Annotated[str | Path | None, Option("folder for the report, its page and its pictures", "DIR")] = None,
    **shared: Unpack[OnData],
) -> Report[Units]:
    """Show what makes units fire: their strongest patches in a whole data set, and how far they see.

    All units of the layers are followed in one pass over the split; labels are not needed. Patches are cropped to the
    theoretical receptive field, and no two of one unit in one image overlap by more than .3. Beside them stand patches
    from the images that excite the unit least, and random ones. Units that never fire and units that do the same are
    named; first-layer filters stand beside Gabor functions fitted to them.
    """
    layers = words(layer) if isinstance(layer, str) else tuple(layer)
    given = {
        "net": net, "data": data, "layer": layers, "units": units, "top": top, "fields": fields, "paint": paint,
        "out": out,
    }  # fmt: skip
    with session("units", given, shared, OnData) as run:
        from striate.inside.units.findings import unit_findings
        from striate.inside.units.watch import watch_units

        loaded = run.net(net)
        images = run.data(data, loaded)
        result, album = watch_units(
            loaded,
            images,
            layers=layers,
            units=tuple(units),
            top=top,
            occluded=fields,
            seed=run["seed"],
            memory=run["memory"],
            workers=run["workers"],
            progress=run.progress,
        )
        cites = [*CITES, *(["zhou2015object"] if fields else []), *(["jones1987evaluation"] if result.filters else [])]
        if paint:
            result, painted, papers = _painted(run, loaded, result)
            album |= painted
            cites += papers
        findings = unit_findings(result, net=str(shown(net)), data=str(shown(data)))
        report = run.report(result, findings=findings, album=album, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])


def _painted(run: Session, net: Net, result: Units) -> tuple[Units, dict[str, bytes], tuple[str, ...]]:
    """An image for each unit that fires, at most so many in all; a layer that cannot be painted is said."""
    from striate.core.image import encode_png
    from striate.nets.stages import spread
    from striate.synthesis.units import How, unit_images
    from striate.synthesis.watch import Watch

    wanted = spread([one for one in result.units if not one.dead], MOST_PAINTED)
    album: dict[str, bytes] = {}
    names: dict[tuple[str, int], str] = {}
    notes = list(result.notes)
    papers: tuple[str, ...] = ()
    for site in dict.fromkeys(one.site for one in wanted):
        numbers = [one.unit for one in wanted if one.site == site]
        try:
            how = How(steps=STEPS, seed=run["seed"], memory=run["memory"], watch=Watch(run.progress))
            made = unit_images(net, site, numbers, how=how)
        except StriateError as error:
            notes.append(f"nothing was painted for {site}: {error}")
            continue
        papers = tuple(made.cites)
        for unit, image in zip(numbers, made.images, strict=True):
            name = f"painted-{site.replace('/', '-')}-{unit:04d}.png"
            names[site, unit] = name
            album[name] = encode_png(image.detach().cpu())
    rows = tuple(replace(one, painted=names.get((one.site, one.unit), "")) for one in result.units)
    return replace(result, units=rows, notes=tuple(notes)), album, papers
