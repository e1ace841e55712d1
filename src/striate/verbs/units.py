"""`striate units`: what makes units fire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.inside.units.payload import Units

from .options import DataArgument, DataLike, NetArgument, NetLike, OnData, Option, count, words
from .session import Session, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.nets.net import Net

CITES = ("zeiler2014visualizing", "araujo2019computing", "luo2016understanding")
MOST_PAINTED = 24
STEPS = 96
CONCEPTS = ("zhou2015object", "bau2017network")
ABLATION = ("zhou2018revisiting", "morcos2018importance")


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
    concepts: Annotated[
        DataLike | bool | None,
        Option("name the concepts that units follow, by the masks of these data (default: of DATA)", "DATA", bare=True),
    ] = None,
    with_net: Annotated[
        NetLike | None, Option("with --concepts: what another net's units follow, beside it", "NET")
    ] = None,
    ablate: Annotated[
        bool, Option("also switch each unit shown off, alone: a pass an image and unit, from its layer on")
    ] = False,
    out: Annotated[str | Path | None, Option("folder for the report, its page and its pictures", "DIR")] = None,
    **shared: Unpack[OnData],
) -> Report[Units]:
    """Show what makes units fire: their strongest patches in a whole data set, and how far they see.

    All units of the layers are followed in one pass over the split; labels are not needed. Patches are cropped to the
    theoretical receptive field, and no two of one unit in one image overlap by more than .3. Beside them stand patches
    from the images that excite the unit least, and random ones. Units that never fire and units that do the same are
    named; first-layer filters stand beside Gabor functions fitted to them. Of a vision transformer the attention of
    each head is shown too.

    With ``concepts`` all units of the layers are held against masks, which takes about as long again as following them
    over these data; with ``ablate`` the data need labels.
    """
    layers = words(layer) if isinstance(layer, str) else tuple(layer)
    given = {
        "net": net, "data": data, "layer": layers, "units": units, "top": top, "fields": fields, "paint": paint,
        "concepts": concepts, "with_net": with_net, "ablate": ablate, "out": out,
    }  # fmt: skip
    if with_net is not None and not concepts:
        raise StriateError("--with-net without --concepts", accepted="--concepts, alone or with data that have masks")
    with session("units", given, shared, OnData) as run:
        from striate.inside.units.findings import unit_findings
        from striate.inside.units.sheets import with_sheets
        from striate.inside.units.watch import watch_units

        loaded = run.net(net)
        images = run.data(data, loaded, labels=ablate)
        masked = None if not concepts else _with_masks(run, concepts, loaded, data=data)
        settings: dict[str, Any] = {name: run[name] for name in ("seed", "memory")} | {"progress": run.progress}
        result, album = watch_units(
            loaded, images, layers=layers, units=tuple(units), top=top, occluded=fields, workers=run["workers"],
            **settings,
        )  # fmt: skip
        cites = [*CITES, *(["zhou2015object"] if fields else []), *(["jones1987evaluation"] if result.filters else [])]
        result, sheets = with_sheets(result, loaded, images)
        album |= sheets
        if masked is not None:
            result = _labelled(run, loaded, result, masked, name=str(shown(net)), settings=settings)
            cites += CONCEPTS
        if masked is not None and with_net is not None and concepts:
            result = _beside(run, with_net, result, concepts, data=data, settings=settings)
        result, album, more = _evidence(run, loaded, result, images, album, ablate=ablate, settings=settings)
        cites += more
        if paint:
            result, painted, papers = _painted(run, loaded, result)
            album |= painted
            cites += papers
        findings = unit_findings(result, net=str(shown(net)), data=str(shown(data)))
        report = run.report(result, findings=findings, album=album, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])


def _with_masks(run: Session, concepts: DataLike | bool, net: Net, *, data: DataLike) -> Dataset:
    """The data that name concepts, as the net takes them; looked at before the long work begins."""
    from striate.inside.meaning.concepts import concepts_of

    told = run.data_origin
    try:
        found = run.data(data if isinstance(concepts, bool) else concepts, net, labels=False)
    finally:
        run.data_origin = told  # the report's data are those that units are followed on
    concepts_of(found)
    return found


def _labelled(
    run: Session, net: Net, result: Units, masked: Dataset, *, name: str, settings: Mapping[str, Any]
) -> Units:
    from striate.inside.units.evidence import with_labels

    run.progress.say(f"concepts: masks of {masked.name}, {len(masked):,} images")
    return with_labels(result, net, masked, name=name, **settings)


def _beside(
    run: Session,
    other: NetLike,
    result: Units,
    concepts: DataLike | bool,
    *,
    data: DataLike,
    settings: Mapping[str, Any],
) -> Units:
    """The table of another net's units beside that of the first, its layers by default spread over its depth."""
    from striate.inside.units.evidence import labels_of
    from striate.inside.units.layers import unit_layers

    told = run.net_origin
    net = run.net(other)
    run.net_origin = told
    masked = _with_masks(run, concepts, net, data=data)
    masked.ready()
    sites = [layer.name for layer in unit_layers(net, masked.size or net.a_size())]
    _, meanings, notes = labels_of(net, masked, sites, name=str(shown(other)), **settings)
    return replace(result, meanings=(*result.meanings, *meanings), notes=(*result.notes, *notes))


def _evidence(
    run: Session,
    net: Net,
    result: Units,
    images: Dataset,
    album: dict[str, bytes],
    *,
    ablate: bool,
    settings: Mapping[str, Any],
) -> tuple[Units, dict[str, bytes], list[str]]:
    """What is lost without each unit, where asked for, and where heads look, where there are any."""
    from striate.inside.units.evidence import with_attention, with_effects

    cites: list[str] = []
    if ablate:
        result = with_effects(result, net, images, run.table(net, images), **settings)
        cites += ABLATION
    result, drawn = with_attention(result, net, images, memory=run["memory"], progress=run.progress)
    if drawn:
        cites.append("dosovitskiy2021image")
    return result, album | drawn, cites


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
