"""What the units of layers follow, kind by kind: to be read by depth, and side by side for several nets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from striate.metrics.intervals import wilson

from .concepts import KINDS
from .payload import LayerMeaning, UnitLabel


def layers_of(labels: Sequence[UnitLabel], *, net: str = "", least: float = 0.0) -> tuple[LayerMeaning, ...]:
    """One row a site, in the order of the labels: which share of its units follows a concept of each kind.

    Units count whose intersection over union is above chance, and above ``least``: Bau et al. 2017 call a unit a
    detector from 0.04 on.

    >>> from striate.core.number import Number
    >>> of = lambda unit, concept, kind: UnitLabel("a", unit, concept, kind, Number(0.2), 0.0, 0.1)
    >>> row = layers_of([of(0, "red", "colour"), of(1, "red", "colour"), of(2, "", "")])[0]
    >>> row.labelled.value, row.unique[row.kinds.index("colour")]
    (0.6666666666666666, 1)
    """
    rows = []
    for site in dict.fromkeys(label.site for label in labels):
        own = [label for label in labels if label.site == site]
        kinds = Counter(label.kind for label in own if label.concept and float(label.iou) > least)
        rows.append(
            LayerMeaning(
                net=net,
                site=site,
                units=len(own),
                labelled=wilson(sum(kinds.values()), len(own), of="units"),
                kinds=KINDS,
                shares=tuple(wilson(kinds[kind], len(own), of="units") for kind in KINDS),
                unique=tuple(
                    len({label.concept for label in own if label.kind == kind and float(label.iou) > least})
                    for kind in KINDS
                ),
            )
        )
    return tuple(rows)
