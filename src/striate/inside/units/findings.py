"""What units give notice of: units that never fire, units that do the same."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import Layer, Units

MANY = 0.05  # share of a layer's units from which silent ones are worth a warning


def unit_findings(units: Units, *, net: str, data: str) -> tuple[Finding, ...]:
    """One finding for each layer with units that never fire, one for each with units that do the same."""
    found = [_dead(layer, units.images, net) for layer in units.layers if layer.dead]
    found += [_twins(layer, net, data) for layer in units.layers if layer.duplicated]
    return tuple(found)


def _dead(layer: Layer, images: int, net: str) -> Finding:
    share = len(layer.dead) / layer.units
    few = ", ".join(map(str, layer.dead[:8])) + (" and more" if len(layer.dead) > 8 else "")
    units = "unit never fires" if len(layer.dead) == 1 else "units never fire"
    return Finding(
        id=f"dead-units/{layer.site}",
        check="dead-units",
        severity="warning" if share > MANY else "note",
        sure=1.0,
        seen=f"{len(layer.dead):,} of {layer.units:,} {units} at {layer.site} on {images:,} images: {few}",
        evidence=(Evidence("share of the layer's units", Number(share, n=layer.units, why="counted")),),
        mend=f"They take part in nothing that {net} says of these images: more or other images may wake them; units "
        "that stay silent on the training images can be cut out, or come from too high a learning rate.",
    )


def _twins(layer: Layer, net: str, data: str) -> Finding:
    first = layer.duplicates[0]
    pairs = "pair of units does the same" if layer.duplicated == 1 else "pairs of units do the same"
    one, other = first.units
    return Finding(
        id=f"duplicate-units/{layer.site}",
        check="duplicate-units",
        severity="note",
        sure=1.0,
        seen=f"{layer.duplicated:,} {pairs} at {layer.site}, {one} and {other} the most",
        evidence=(
            Evidence("correlation of their activations", Number(first.correlation, why="over places and images")),
        ),
        mend="One of each pair is enough for these images: the layer is wider than they need.",
        command=shlex.join(["striate", "units", net, data, "--layer", layer.site, "--units", f"{one},{other}"]),
    )
