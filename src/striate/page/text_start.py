"""A net before training, for a terminal: one line a scheme, then the layers."""

from __future__ import annotations

from striate.training.signals.payload import InitStats, SiteSignal

from .format import count, named, readable, value_of, wrap
from .lines import MOST_LINES, painted, result_lines
from .started import evenly, responses
from .table import table


@result_lines.register
def _init_stats(result: InitStats, width: int, color: bool) -> list[str]:
    side = " x ".join(map(str, result.size))
    head = f"{named(result.net)} before training, {count(result.n, 'image')} of {named(result.data)}, {side}"
    body = [
        (
            start.init,
            value_of(start.loss),
            value_of(start.forward),
            value_of(start.backward),
            _most(start.sites, "dead"),
            _most(start.sites, "alike"),
        )
        for start in result.starts
    ]
    names = ("start", "loss", "last / first", "gradient", "dead, %", "alike, %")
    lines = [painted(head, "strong", color), *table(names, body, width=width, numbers=frozenset({1, 2, 3, 4, 5}))]
    words = (
        f"loss of knowing nothing: {result.chance:.3g} (ln {result.classes}); last / first: deviation of the last "
        "hidden layer's responses over the first's; gradient: norm at the first over that at the last"
    )
    lines += [*wrap(words, width), ""]
    layers = evenly(responses(result.starts[0]), MOST_LINES)
    rows = []
    for each in layers:
        found = [next((one for one in start.sites if one.site == each.site), None) for start in result.starts[:4]]
        rows.append((each.site, *(_pair(one) for one in found)))
    columns = tuple(start.init for start in result.starts[:4])
    lines += table(("deviation: value, gradient", *columns), rows, width=width, numbers=frozenset(range(1, 5)))
    return [*lines, *(line for note in result.notes for line in wrap(f"note: {readable(note)}", width))]


def _pair(signal: SiteSignal | None) -> str:
    if signal is None:
        return "-"
    return ", ".join(
        "-" if one.value is None else f"{one.value:.2g}" for one in (signal.activation.std, signal.gradient.std)
    )


def _most(sites: tuple[SiteSignal, ...], which: str) -> str:
    known = [number.value for each in sites if (number := getattr(each, which)).value is not None]
    return f"{100 * max(known):.0f}" if known else "-"
