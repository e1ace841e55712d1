"""`striate synthesize`: paint what a net looks for, remembers and dreams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.synthesis.payload import Synthesis

from .kinds import COMMON, KINDS, kind_named
from .options import Computing, NetArgument, Option
from .painting import Painting
from .session import session, write_out

if TYPE_CHECKING:
    from torch import Tensor

    from striate.nets.net import Net

    from .session import Session

FRAMES = 60  # of a film of the making
ABOUT_MAKING = tuple(name for name in Painting.__annotations__ if name not in {*Computing.__annotations__, *COMMON})


def synthesize(
    kind: Annotated[
        Literal[
            "class",
            "caricature",
            "channel",
            "direction",
            "dream",
            "facets",
            "fool",
            "invert",
            "layer",
            "morph",
            "pair",
            "style",
            "style_film",
            "stylize",
            "texture",
            "unit",
        ],
        Option("what to paint"),
    ],
    net: NetArgument,
    *,
    out: Annotated[str | Path | None, Option("folder for the pictures", "DIR")] = None,
    **shared: Unpack[Painting],
) -> Report[Synthesis]:
    """Paint images by changing their pixels, or what stands for them, until a net says what is wanted of them.

    class: what it holds for typical of a class (Simonyan et al. 2013); with --prior among what a decoder has learnt to
    paint (Nguyen et al. 2016).
    caricature: a picture drawn anew, with more of what a layer says of it (Olah et al. 2017).
    channel: what channels of a layer answer to (Olah et al. 2017).
    direction: what a direction among a layer's channels looks like (Olah et al. 2017).
    dream: a picture (or noise) with more of what a layer finds in it (DeepDream, Mordvintsev et al. 2015).
    facets: the several kinds of a class, from the means of its pictures (Nguyen et al. 2016).
    fool: what it is sure of though it shows nothing: by gradient, or evolved (Nguyen et al. 2015).
    invert: what a layer still knows of a picture (Mahendran & Vedaldi 2015).
    layer: what a whole layer answers to (Mordvintsev et al. 2015).
    morph: pictures between two pictures, by pixels, by codes of a layer, or by codes of a decoder.
    pair: what two channels answer to at once, and each alone (Olah et al. 2017).
    style: the content of one picture in the style of others (Gatys et al. 2016; by patches: Li & Wand 2016).
    style_film: a film, or a folder of its frames, in the style of pictures, without flicker (Ruder et al. 2016).
    stylize: pictures in a style that a painter has learnt, in one pass (Johnson et al. 2016).
    texture: noise with the texture of a picture (Gatys et al. 2015).
    unit: what one unit answers to (Erhan et al. 2009).

    Every image is looked at again after rounding to 8 bits, under small shifts and turns that the search never saw, and
    by another net where one is given with --judge.
    """
    given = {"kind": kind, "net": net, "out": out}
    with session("synthesize", given, shared, Painting) as run:
        from striate.synthesis.catalog import METHODS
        from striate.synthesis.findings import synthesis_findings
        from striate.synthesis.made import told
        from striate.synthesis.watch import Watch

        from .kinds.ask import Ask

        options = options_of(kind, run.settings)
        loaded = run.net(net)
        judge = None if options["judge"] is None else _judge(run, options["judge"], loaded)
        with _forming(run, out) as show:
            steps = options.get("steps") or FRAMES
            watch = Watch(run.progress, show, film=max(1, steps // FRAMES) if options["film"] else 0)
            ask = Ask(run, kind, loaded, options, watch)
            made = KINDS.load(kind)(ask)
        result, album = told(made, loaded, kind=kind, judge=judge, memory=run["memory"])
        result, album = _with_film(result, album, watch)
        report = run.report(
            result,
            album=album,
            findings=synthesis_findings(result, maker=loaded),
            cites=(*METHODS[kind].cites, *made.cites),
        )
        return write_out(report, out, overwrite=run["overwrite"])


def options_of(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind goes by: what was given, else its defaults.

    Raises:
        StriateError: An option was given that does nothing for this kind, or one that it needs was not.
    """
    entry = kind_named(kind)
    given = {name: settings[name] for name in ABOUT_MAKING if settings.get(name) is not None}
    given = {name: value for name, value in given.items() if value is not False}
    wrong = [name for name in given if name not in entry.takes]
    if wrong:
        takes = ", ".join(f"--{name.replace('_', '-')}" for name in (*entry.takes, *COMMON))
        raise StriateError(f"--{wrong[0].replace('_', '-')} does nothing for {kind}", accepted=takes)
    missing = [name for name in entry.needs if name not in given]
    if missing:
        raise StriateError(f"{kind} needs --{missing[0].replace('_', '-')}", hint="striate synthesize --help")
    options = {name: given.get(name, entry.defaults.get(name)) for name in entry.takes}
    steps = options.get("steps")
    if steps is not None and steps < 1:
        raise StriateError(f"steps is {steps}", accepted="at least 1")
    return options | {name: settings.get(name) for name in COMMON}


def _judge(run: Session, given: Any, maker: Net) -> Net:
    """The judge, without its taking the maker's place in the report's origin."""
    from striate.synthesis.judge import check_judge

    origin = run.net_origin
    judge = run.net(given)
    run.net_origin = origin
    check_judge(judge, maker)
    return judge


@contextmanager
def _forming(run: Session, out: str | Path | None) -> Iterator[Any]:
    """A function that writes images as they form to a file beside ``out``; the file goes once they are done."""
    if out is None:
        yield None
        return
    from striate.core.image import encode_png
    from striate.core.storage import write_bytes
    from striate.synthesis.sheet import contact_sheet

    path = Path(f"{Path(out)}-forming.png")
    seen = False

    def show(images: Tensor) -> None:
        nonlocal seen
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode_png(contact_sheet(images)))
        if not seen:
            run.progress.say(f"forming: {path}")
        seen = True

    try:
        yield show
    except BaseException:
        if seen:
            run.progress.say(f"what was painted so far is in {path}")
        raise
    path.unlink(missing_ok=True)


def _with_film(result: Synthesis, album: dict[str, bytes], watch: Any) -> tuple[Synthesis, dict[str, bytes]]:
    if not watch.film or not watch.frames:
        return result, album
    from dataclasses import replace

    from striate.core.film import encode_film
    from striate.synthesis.sheet import contact_sheet

    shapes = [tuple(each.shape) for each in watch.frames]
    usual = max(set(shapes), key=shapes.count)  # where some images were made again, the film is of the first go
    ending, film = encode_film([contact_sheet(each) for each in watch.frames if tuple(each.shape) == usual])
    name = f"making.{ending}"
    return replace(result, films=(*result.films, name)), {**album, name: film}
