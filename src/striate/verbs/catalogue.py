"""`striate models`, `datasets`, `methods`: what there is, with source, licence, citation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.page.catalogue import Catalogue, CatalogueRow

from .options import Option, OutArgument, Shared
from .session import session, write_out


def models(
    pattern: Annotated[str, Option("only names that hold this", "TEXT")] = "",
    *,
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Catalogue]:
    """List the nets there are by name: Striate's own, torchvision's, timm's."""
    with session("models", {"pattern": pattern, "out": out}, shared, Shared) as run:
        from striate.nets.catalog import list_models

        rows = tuple(
            CatalogueRow(
                row.name,
                row.summary,
                row.source,
                row.licence,
                tuple(row.cites),
                {"parameters": f"{row.parameters:,}" if row.parameters else ""},
            )
            for row in list_models()
            if pattern.lower() in row.name.lower()
        )
        return write_out(run.report(Catalogue("models", rows)), out, overwrite=run["overwrite"])


def datasets(
    pattern: Annotated[str, Option("only names that hold this", "TEXT")] = "",
    *,
    data_root: Annotated[str | Path | None, Option("where named data sets are looked for first", "DIR")] = None,
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Catalogue]:
    """List the named data sets there are, and whether they are on this machine already."""
    with session("datasets", {"pattern": pattern, "data_root": data_root, "out": out}, shared, Shared) as run:
        from striate.data.catalog import list_datasets

        rows = tuple(
            CatalogueRow(
                row.name,
                row.summary,
                row.source,
                row.licence,
                tuple(row.cites),
                {key: row.detail[key] for key in ("train / dev / test", "here")},
            )
            for row in list_datasets(Path(data_root) if data_root else None)
            if pattern.lower() in row.name.lower()
        )
        return write_out(run.report(Catalogue("datasets", rows)), out, overwrite=run["overwrite"])


def methods(
    pattern: Annotated[str, Option("only names that hold this", "TEXT")] = "",
    *,
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Catalogue]:
    """List the methods there are, with papers: of training, of looking inside, of breaking, of painting."""
    with session("methods", {"pattern": pattern, "out": out}, shared, Shared) as run:
        from striate.attacks.catalog import ATTACKS
        from striate.data.transforms import TRANSFORMS
        from striate.inside.attribution import METHODS as ATTRIBUTIONS
        from striate.inside.faithfulness import MEASURES
        from striate.synthesis.catalog import METHODS as SYNTHESES
        from striate.training.catalog import AVERAGES, LOSSES, OPTIMIZERS, RECIPES, SCHEDULES
        from striate.training.schemes import INITS

        rows = tuple(
            CatalogueRow(name, entry.summary, verb, entry.licence, entry.cites, {})
            for verb, registry in (
                ("train --recipe", RECIPES),
                ("train --optimizer", OPTIMIZERS),
                ("train --schedule", SCHEDULES),
                ("train --loss", LOSSES),
                ("train --ema, --swa", AVERAGES),
                ("train --init, init-stats", INITS),
                ("augment", TRANSFORMS),
                ("explain", ATTRIBUTIONS),
                ("explain --faithfulness", MEASURES),
                ("attack", ATTACKS),
                ("synthesize", SYNTHESES),
            )
            for name, entry in registry.items()
            if pattern.lower() in name.lower()
        )
        return write_out(run.report(Catalogue("methods", rows)), out, overwrite=run["overwrite"])
