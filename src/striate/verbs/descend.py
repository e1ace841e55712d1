"""`striate descend`: optimisers on surfaces, drawn and filmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.training.descent.payload import Descent

from .options import Option, OutArgument, Shared, count, number, words
from .session import session, write_out

SURFACE = Option("surfaces: valley, saddle, beale, rosenbrock, quadratic; or all", "S[,S]", words)
OPTIMIZER = Option("optimisers, by the names of training (`striate methods` lists them); or all", "O[,O]", words)
LECTURED = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
TWIN = "adamw"  # without weight decay it is adam
CITES = {"rosenbrock": ("rosenbrock1960automatic",), "beale": ("beale1958iterative",)}


def descend(
    *,
    surface: Annotated[str | tuple[str, ...], SURFACE] = ("valley", "saddle", "beale"),
    optimizer: Annotated[str | tuple[str, ...], OPTIMIZER] = LECTURED,
    rate: Annotated[
        float | None,
        Option("one rate for all (default: each at its best on the surface)", "X", lambda text: number(text, "rate")),
    ] = None,
    steps: Annotated[int, Option("steps of each", "N", lambda text: count(text, "steps"))] = 200,
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Descent]:
    """Draw the path of each optimiser over the same surface, with its height by step, and film it.

    The optimisers are those of `striate train`, on two numbers instead of a net, without weight decay and without
    noise. Where no rate is given each takes the one of nine, from 1e-3 to 10, at which it arrives first on that
    surface: what is compared is the optimisers at their best, and the rates stand beside them.

    Cost: about a CPU second a surface; ``all`` on ``all`` takes some twelve.

    >>> import striate
    >>> report = striate.descend(surface="valley", optimizer="sgd,momentum", rate=0.03, steps=50, quiet=True)
    >>> [len(path.places) for path in report.result.scenes[0].paths]
    [51, 51]
    """
    given = {"surface": surface, "optimizer": optimizer, "rate": rate, "steps": steps, "out": out}
    with session("descend", given, shared, Shared) as run:
        from striate.training.catalog import OPTIMIZERS
        from striate.training.descent.footage import film
        from striate.training.descent.surfaces import SURFACES
        from striate.training.descent.walk import race

        names = _named(surface, tuple(SURFACES))
        racing = _named(optimizer, tuple(each for each in OPTIMIZERS if each != TWIN))
        result = race(names, racing, steps=steps, rate=rate, progress=run.progress)
        album: dict[str, bytes] = {}
        if out is not None:
            for scene in run.progress.track(result.scenes, "films", len(result.scenes), unit="films"):
                album[f"{scene.surface}.gif"] = film(scene)
            filmed = (replace(each, film=f"{each.surface}.gif") for each in result.scenes)
            result = replace(result, scenes=tuple(filmed))
        cites = [key for scene in result.scenes for key in CITES.get(scene.surface, ())]
        cites += [key for scene in result.scenes for path in scene.paths for key in OPTIMIZERS[path.optimizer].cites]
        return write_out(run.report(result, album=album, cites=cites), out, overwrite=run["overwrite"])


def _named(given: str | tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    names = words(given) if isinstance(given, str) else tuple(given)
    return known if names == ("all",) else names
