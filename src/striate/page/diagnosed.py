"""The page of a diagnosis: what is wrong, the run's course, its updates, the layers before it, the checks."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.number import Number
from striate.core.report import Report
from striate.doctor.payload import CheckRow, CheckRun, Diagnosis, LayerRow
from striate.doctor.payload import Series as Measured

from . import record
from .charts import Chart, Series
from .format import count, fixed
from .log_charts import histogram_grid, log_chart, numbers
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline, tally

USUAL = (1e-4, 1e-2)  # of updates over weights; weights before a normalisation take larger ones too
MOST_LAYERS = 20
COLUMNS = 6  # of histograms
SIGNS = {"found": "▲", "silent": "✓", "not run": "–", "failed": "✕"}
READ = "measured once"


def outline(report: Report[Diagnosis]) -> Outline:
    """What a diagnosis puts on its page."""
    result = report.result
    if result.kind == "list":
        return Outline(
            subject="The doctor's checks",
            other="",
            lead="Each with what it looks for, what it costs, and what it holds its numbers against.",
            headlines=(),
            pictures=(),
            sections=lambda _, dropped: _list_sections(report, dropped),
        )
    return Outline(
        subject=result.setup,
        other="",
        lead=f"{result.verdict} {tally(report.findings)}",
        headlines=measured(result),
        pictures=(),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


LONG = 300  # steps from which on the share that watching took is worth a word


def measured(result: Diagnosis) -> tuple[Headline, ...]:
    """The numbers of a diagnosis: losses, what is right, what looking took; what is not known is left out."""
    figures = []
    if result.start_loss is not None:
        figures.append(_plain("loss before the first step", result.start_loss, "one batch"))
    if result.loss is not None and result.loss.values:
        figures.append(_plain("loss of the last step", result.loss.values[-1], count(result.steps, "step")))
    for label, number in (("training samples right", result.train), ("test samples right", result.test)):
        if number is not None and number.value is not None:
            figures.append(Headline("", label, number, note="after the run, eval mode"))
    if result.share is not None and result.steps:
        note = f"{100 * result.share:.1f} % of the steps' own time" if result.steps >= LONG else "before, while, after"
        figures.append(_plain("seconds that looking took", round(result.seconds, 2), note))
    return tuple(figures)


def _plain(label: str, value: float, note: str) -> Headline:
    return Headline("", label, Number(float(value), why=READ), percent=False, note=note)


def some_layers(layers: Sequence[LayerRow], most: int = MOST_LAYERS) -> list[LayerRow]:
    """At most so many of them, spread evenly, the first and the last among them."""
    if len(layers) <= most:
        return list(layers)
    return [layers[round(index * (len(layers) - 1) / (most - 1))] for index in range(most)]


def layer_name(each: LayerRow) -> str:
    """Its path in the model; with its kind where the path ends in a number, which tells nobody anything."""
    return f"{each.name} {each.kind}".strip() if each.name.rpartition(".")[2].isdigit() or not each.name else each.name


def band_words(ratios: Measured) -> str:
    """Where most of a parameter's updates lie, as words beside their numbers."""
    below = sum(each < USUAL[0] for each in ratios.values) / len(ratios.values)
    above = sum(each > USUAL[1] for each in ratios.values) / len(ratios.values)
    return "mostly below" if below > 0.5 else "mostly above" if above > 0.5 else "mostly within"


def tally_of(runs: Sequence[CheckRun]) -> str:
    """How many checks found something, kept silent, did not run."""
    words = {"found": "found something", "silent": "kept silent", "not run": "did not run", "failed": "failed"}
    counts = [f"{n} {words[state]}" for state in words if (n := sum(each.state == state for each in runs))]
    return f"{count(len(runs), 'check')}: {', '.join(counts)}." if runs else "No check looked."


def by_reason(runs: Sequence[CheckRun]) -> list[tuple[str, list[str]]]:
    """Checks that did not run, or failed, by the reason."""
    found: dict[str, list[str]] = {}
    for each in runs:
        if each.state in ("not run", "failed"):
            found.setdefault(f"{'failed: ' if each.state == 'failed' else ''}{each.why}", []).append(each.name)
    return sorted(found.items(), key=lambda each: -len(each[1]))


def _sections(report: Report[Diagnosis], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    del shelf
    result = report.result
    limits = [
        "A check that keeps silent has seen nothing in the samples and steps that it looked at; it proves nothing of "
        "others.",
        "Data are looked at in at most 1,000 samples of a split, the model on a copy, most steps from afar.",
    ]
    found = (
        _course(result),
        _updates(result),
        record.training_section(result.training),
        _layer_section(result),
        _check_section(result.checks_run),
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(each for each in found if each is not None)


def _course(result: Diagnosis) -> Section | None:
    """Loss and rate over the steps."""
    loss = result.loss
    if loss is None or len(loss.values) < 2:
        return None
    first, last = loss.values[0], loss.values[-1]
    verb = "falls" if last < 0.98 * first else "rises" if last > 1.02 * first else "stays where it is"
    claim = f"Over {count(result.steps, 'step')} the loss {verb}: from {first:.3g} to {last:.3g}."
    positive = min(loss.values) > 0
    charts = [
        _over_steps(
            f"The loss {verb}", [loss], key="loss", y="loss", log=positive and max(loss.values) > 30 * min(loss.values)
        )
    ]
    rate = result.rate
    if rate is not None and len(rate.values) > 1:
        charts.append(_over_steps(_rate_title(rate.values), [rate], key="rate", y="learning rate", log=False))
    return Section("course", "The run", claim, {"charts": charts})


def _rate_title(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"The rate stays at {low:.2g}" if low == high else f"The rate goes from {values[0]:.2g} to {values[-1]:.2g}"


def _over_steps(title: str, every: Sequence[Measured], *, key: str, y: str, log: bool) -> Chart:
    series = [Series(each.name, numbers(list(zip(map(float, each.steps), each.values, strict=True)))) for each in every]
    return log_chart(title, series, key=key, x="step", y=y, log_y=log)


def _updates(result: Diagnosis) -> Section | None:
    """Update over weight of the largest parameters."""
    known = [each for each in result.ratios if each.values]
    if not known:
        return None
    within = sum(band_words(each) == "mostly within" for each in known)
    claim = (
        f"{within} of the {len(known)} largest weights take steps of a ten-thousandth to a hundredth of their own size."
    )
    series = [
        Series(_short(each.name), numbers(list(zip(map(float, each.steps), each.values, strict=True))))
        for each in known
    ]
    chart = log_chart(
        "Norm of the update over norm of the weight, by step",
        series,
        key="ratios",
        x="step",
        y="update over weight",
        band=(*USUAL, "usual"),
    )
    rows = [
        (each.name, *(f"{value:.1e}" for value in (each.values[0], each.values[-1])), band_words(each))
        for each in known
    ]
    return Section("updates", "Updates", claim, {"chart": chart, "rows": rows})


def _short(name: str) -> str:
    return name.removesuffix(".weight")[-15:]


def _layer_section(result: Diagnosis) -> Section | None:
    """Activations and gradients by layer, before the first step."""
    layers = result.layers
    if not layers:
        return None
    dead = max((each for each in layers if each.grad is not None), key=lambda each: each.dead, default=layers[0])
    claim = f"Before the first step {count(len(layers), 'layer')} answer one batch"
    claim += (
        f"; in {layer_name(dead)} {fixed(100 * dead.dead, 0)} % of the units are 0 throughout."
        if dead.dead >= 0.05
        else "; no layer has many dead units."
    )
    shown = some_layers([each for each in layers if each.counts], 3 * COLUMNS)
    rows = [
        (
            f"{begin + 1} to {begin + len(part)}" if len(shown) > 1 else "1",
            [(layer_name(each)[-11:], each.counts) for each in part],
        )
        for begin in range(0, len(shown), COLUMNS)
        if (part := shown[begin : begin + COLUMNS])
    ]
    charts = []
    if any(each.grad for each in layers):
        charts.append(_gradients(layers))
    histograms = None
    if rows:
        title = "Outputs of the layers, each from its lowest to its highest value; below each the end of its name"
        histograms = histogram_grid(title, rows, key="activations", desc=f"{len(shown)} histograms, first layer first")
    head = ("layer", "kind", "shape", "mean", "deviation", "zeros, %", "dead, %", "gradient")
    body = [_row(each) for each in layers]
    return Section("layers", "Layers", claim, {"charts": charts, "histograms": histograms, "head": head, "rows": body})


def _gradients(layers: Sequence[LayerRow]) -> Chart:
    places = [(float(place), each) for place, each in enumerate(layers, start=1)]
    back = numbers([(at, each.grad) for at, each in places if each.grad])
    out = numbers([(at, each.std) for at, each in places if each.std > 0])
    known = [each.grad for each in layers if each.grad]
    ratio = known[0] / known[-1]
    title = f"The gradient at the first layer is {ratio:.2g} times that at the last"
    series = [Series("gradient", back), Series("outputs", out)]
    return log_chart(title, series, key="gradients", x="layer", y="root mean square of gradient, deviation of outputs")


def _row(each: LayerRow) -> tuple[str, ...]:
    return (
        layer_name(each), each.kind, " × ".join(map(str, each.shape)), f"{each.mean:.3g}", f"{each.std:.3g}",
        f"{100 * each.zeros:.1f}", f"{100 * each.dead:.1f}", "-" if each.grad is None else f"{each.grad:.2e}",
    )  # fmt: skip


def _check_section(runs: Sequence[CheckRun]) -> Section | None:
    if not runs:
        return None
    families = list(dict.fromkeys(each.family for each in runs))
    groups = []
    for family in families:
        own = [each for each in runs if each.family == family]
        rows = [
            (each.name, each.what, f"{SIGNS[each.state]} {each.state}", each.why or f"{1e3 * each.seconds:.1f} ms")
            for each in own
        ]
        groups.append((family, tally_of(own).partition(": ")[2], any(each.state == "found" for each in own), rows))
    return Section("checks", "Checks", tally_of(runs), {"groups": groups})


def _list_sections(report: Report[Diagnosis], dropped: str) -> tuple[Section, ...]:
    rows = report.result.listed
    families = list(dict.fromkeys(each.family for each in rows))
    groups = [(family, [_listed(each) for each in rows if each.family == family]) for family in families]
    claim = f"{count(len(rows), 'check')} in {count(len(families), 'family', 'families')}."
    return (
        Section("all-checks", "Checks", claim, {"groups": groups}),
        record.method_section(report, dropped),
    )


def _listed(each: CheckRow) -> dict[str, object]:
    facts = [f"needs {', '.join(each.needs)}", f"costs {each.cost}"]
    facts += [f"limit: {one}" for one in each.thresholds]
    facts += [f"source: {each.source}"] if each.source else []
    return {"name": each.name, "what": each.what, "facts": facts}
