"""Sections on what the net looks at and how it breaks: maps, robustness, painted classes, filters."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from striate.attacks.payload import Attacked, Robustness
from striate.core.number import Number
from striate.inside.colours import OPACITY, stops
from striate.inside.payload import Explanation, Filters, MapRow
from striate.synthesis.payload import Synthesis

from .charts import Axis, Level, Series, line_chart
from .format import count, fixed, named, norm, radius, shown, value_of
from .glossary import TERMS
from .pictures import Picture, Shelf
from .section import Figure, Section, class_name, number_of
from .svg import element, text

LEVELS = 255  # grey levels between black and white
MOST_TRIPLES = 12
FILTER = 56  # short side of a filter on the page
MAP = 128


@dataclass(frozen=True)
class Heat:
    """One map with its colour bar; ``known`` where the list of methods already says what its values and check are."""

    row: MapRow
    picture: Picture
    scale: Markup
    known: bool
    title: str = ""


@dataclass(frozen=True)
class Explained:
    """A method as the maps of it share it: name, meaning, units of the values, what the check holds them to."""

    name: str
    meaning: str
    units: str
    check: str


@dataclass(frozen=True)
class Looked:
    """One image and its maps."""

    name: str
    input: Picture | None
    target: str
    predicted: str
    right: bool
    probability: float
    score: float
    maps: tuple[Heat, ...]


@dataclass(frozen=True)
class Triple:
    """An attacked image beside its original and their amplified difference."""

    row: Attacked
    label: str
    clean: str
    predicted: str
    original: Picture
    attacked: Picture
    difference: Picture | None


def maps_section(explanation: Explanation | None, names: tuple[str, ...], shelf: Shelf) -> Section | None:
    """What it looks at."""
    if explanation is None:
        return None
    images: dict[tuple[str, str], list[MapRow]] = {}
    for row in explanation.maps:
        if row.picture in shelf:
            images.setdefault((row.image, row.input_picture), []).append(row)
    if not images:
        return None
    methods = {name: _explained(name, explanation) for name in dict.fromkeys(row.method for row in explanation.maps)}
    known = {name for name, method in methods.items() if method.units and method.check}
    looked = tuple(_looked(place, rows, names, shelf, known=known) for place, rows in enumerate(images.values()))
    content = {
        "images": looked,
        "methods": list(methods.values()),
        "opacity": fixed(100 * OPACITY, 0),
        "shared": _shared_limits(explanation),
    }
    return Section("maps", "What it looks at", maps_claim(explanation), content)


def maps_claim(explanation: Explanation) -> str:
    """How many maps hold what their method promises."""
    made = [row for row in explanation.maps if row.check.holds is not None]
    held, total = sum(row.check.holds is True for row in made), len(made)
    images = count(len({row.image for row in explanation.maps}), "image")
    if total < len(explanation.maps):
        left = len(explanation.maps) - total
        unheld = f", {total - held} do not hold what their method promises" if held < total else ""
        return f"These maps show what moved its answer on {images}; {count(left, 'map')} without a check{unheld}."
    if held == total:
        return f"These maps show what moved its answer on {images}; each holds what its method promises."
    return (
        f"These maps show what moved its answer on {images}; {total - held} of {total} do not hold what their method "
        "promises and are not to be relied on."
    )


def robustness_section(robustness: Robustness | None, chance: Number, shelf: Shelf) -> Section | None:
    """The curve over the radius, and attacked images."""
    if robustness is None:
        return None
    triples: list[Triple] = []
    for row in sorted(robustness.per_image, key=lambda row: (row.distance, row.row)):
        if row.original in shelf and row.picture in shelf and len(triples) < MOST_TRIPLES:
            triples.append(_triple(row, robustness, shelf))
    figures = [
        ("accuracy", "accuracy on clean images", robustness.clean_accuracy, True),
        ("robust", "robust accuracy", robustness.robust_accuracy, True),
        *(("", f"certified, {each.of} ({each.method})", each.accuracy, True) for each in robustness.bounds),
        ("radius", "median change of the fooled", robustness.distance, False),
        ("", "successes that 8-bit rounding leaves", robustness.survives_8bit, True),
        ("masking", "images with zero gradient", robustness.masking.zero_gradients, True),
        ("", "images with saturated outputs", robustness.masking.saturated, True),
    ]
    content = {
        "chart": _curve(robustness, chance),
        "figures": [each for each in figures if each[2].value is not None],
        "signs": robustness.masking.signs,
        "triples": triples,
        "factor": f"{robustness.factor:g}",
        "method": robustness.method,
        "method_name": TERMS.get(robustness.method, (robustness.method, ""))[0],
        "norm": norm(robustness.norm),
        "radius": radius(robustness.radius),
        "n": robustness.n,
        "passes": robustness.passes,
        "target": "" if robustness.target is None else class_name(robustness.names, robustness.target),
    }
    return Section("robustness", "Robustness", robustness_claim(robustness), content)


def robustness_claim(robustness: Robustness) -> str:
    """What is left at the radius."""
    size = f"{norm(robustness.norm)} radius {radius(robustness.radius)}"
    left, clean = shown(robustness.robust_accuracy, percent=True), value_of(robustness.clean_accuracy, percent=True)
    if robustness.target is not None:
        aim = named(class_name(robustness.names, robustness.target))
        return f"Within {size}, {left} of the images cannot be turned into {aim} by {robustness.method.upper()}."
    return f"Changes within {size} bring it from {clean} right down to {left}."


def classes_painted_section(synthesis: Synthesis | None, names: tuple[str, ...], shelf: Shelf) -> Section | None:
    """Images painted to score highest for each class."""
    if synthesis is None:
        return None
    judge, figures = synthesis.judge, []
    for place, image in enumerate(synthesis.images):
        picture = shelf.show(image.picture, f"image painted for {image.target}", target=MAP)
        if picture is None:
            continue
        lines = [("for", image.target), ("score", fixed(image.score, 2))]
        if image.probability is not None:
            share = value_of(image.probability, percent=True)
            if image.predicted is not None and image.predicted != image.index:
                lines += [("the net sees", class_name(names, image.predicted)), ("of its class", share)]
            else:
                lines.append(("the net sees", f"{image.target} {share}"))
        if judge is not None and place < len(judge.predicted):
            lines.append((f"{judge.net} sees", class_name(names, judge.predicted[place])))
        figures.append(Figure(picture, tuple(lines)))
    if not figures:
        return None
    content = {"figures": figures, "objective": synthesis.objective, "steps": synthesis.steps, "judge": judge}
    return Section("painted", "Class images", painted_claim(synthesis), content)


def painted_claim(synthesis: Synthesis) -> str:
    """Whether another net recognises what this one looks for."""
    judge = synthesis.judge
    if judge is None:
        images = count(len(synthesis.images), "image")
        return f"These {images} score highest for their class; no other net has judged them."
    share = shown(judge.agrees, percent=True)
    return (
        f"Painted to score highest for a class, images are recognised by another net, {named(judge.net)}, in {share}."
    )


def filters_section(filters: Filters | None, shelf: Shelf) -> Section | None:
    """The weights of the first convolution."""
    if filters is None:
        return None
    pictures = [
        picture
        for index, key in enumerate(filters.pictures)
        if (picture := shelf.show(key, f"filter {index} of {filters.site}", target=FILTER))
    ]
    if not pictures:
        return None
    claim = f"The first layer looks for {count(len(filters.pictures), 'pattern')}."
    if len(filters.shape) == 4:
        out, channels, height, width = filters.shape
        claim = (
            f"The first layer looks for {count(out, 'pattern')} of {height} by {width} pixels "
            f"in {count(channels, 'channel')}."
        )
    low, high = filters.limits
    content = {"pictures": pictures, "filters": filters, "low": _end(low), "high": _end(high)}
    return Section("filters", "Filters", claim, content)


def colour_bar(key: str, limits: tuple[float, float], signed: bool, units: str) -> Markup:
    """The colours of a map from its lower to its upper limit, with numbers and units."""
    colours = stops(signed)
    ramp = element(
        "linearGradient",
        *(
            element("stop", offset=round(index / (len(colours) - 1), 4), stop_color=colour)
            for index, colour in enumerate(colours)
        ),
        id=key,
    )
    low, high = limits
    parts = [
        element("defs", ramp),
        element("rect", x=0.5, y=0.5, width=255, height=9, fill=f"url(#{key})", class_="bar-edge"),
        text(0, 24, _end(low), "tick"),
        text(256, 24, _end(high), "tick", anchor="end"),
    ]
    if signed:
        parts.append(text(128, 24, "0", "tick", anchor="middle"))
    words = f"colours from {_end(low)} to {_end(high)} {units}"
    return element(
        "svg", *parts, viewBox="0 0 256 28", width=256, height=28, class_="ramp", role="img", aria_label=words
    )


def _explained(name: str, explanation: Explanation) -> Explained:
    rows = [row for row in explanation.maps if row.method == name]
    units, checks = {row.units for row in rows}, {row.check.what for row in rows}
    title, meaning = TERMS.get(name, (name, ""))
    return Explained(title, meaning, units.pop() if len(units) == 1 else "", checks.pop() if len(checks) == 1 else "")


def _looked(place: int, rows: list[MapRow], names: tuple[str, ...], shelf: Shelf, *, known: set[str]) -> Looked:
    first = rows[0]
    predicted = first.predicted_name or class_name(names, first.predicted)
    maps: list[Heat] = []
    for row in rows:
        words = f"{row.method} map of {row.image} for {row.target_name}: alone, and over the grey image"
        picture = shelf.show(row.picture, words, target=MAP)
        if picture is not None:
            scale = colour_bar(f"ramp-{place}-{len(maps)}", row.limits, row.signed, row.units)
            maps.append(Heat(row, picture, scale, row.method in known, TERMS.get(row.method, (row.method, ""))[0]))
    source = shelf.show(first.input_picture, f"{first.image}, as the net takes it", target=MAP)
    right = first.predicted == first.target
    return Looked(first.image, source, first.target_name, predicted, right, first.probability, first.score, tuple(maps))


def _shared_limits(explanation: Explanation) -> str:
    limits: dict[str, set[tuple[float, float]]] = {}
    for row in explanation.maps:
        limits.setdefault(row.method, set()).add(row.limits)
    if all(len(each) == 1 for each in limits.values()):
        return "Maps of one method share their limits, so that they can be compared."
    return "Each map has its own limits, stated below it: colours of two maps are not to be compared."


def _triple(row: Attacked, robustness: Robustness, shelf: Shelf) -> Triple:
    label, clean, said = (class_name(robustness.names, each) for each in (row.label, row.clean, row.predicted))
    original = shelf.show(row.original, f"{row.name} as it is: {clean}")
    attacked = shelf.show(row.picture, f"{row.name} attacked: {said}")
    if original is None or attacked is None:
        raise ValueError("the caller has looked that both are there")
    difference = shelf.show(row.difference, f"their difference times {robustness.factor:g}")
    return Triple(row, label, clean, said, original, attacked, difference)


def _curve(robustness: Robustness, chance: Number) -> object:
    points = [(point.radius, point.accuracy) for point in robustness.curve]
    known = {at for at, _ in points}
    if 0.0 not in known:
        points.append((0.0, robustness.clean_accuracy))
    if robustness.radius not in known:
        points.append((robustness.radius, robustness.robust_accuracy))
    points = sorted(((at, one) for at, one in points if one.value is not None), key=lambda each: each[0])
    if len(points) < 3:
        return None
    small = robustness.norm in ("inf", "infinity")
    unit = LEVELS if small else 1
    here = dict(points).get(robustness.radius, robustness.robust_accuracy)
    half = next((at for at, one in points if number_of(one) < 0.5 * number_of(points[0][1])), None)
    title = "Robust accuracy over the radius"
    if half is not None:
        title = f"At radius {radius(half)} fewer than half of the images it knew are left"
    return line_chart(
        title,
        [Series("robust accuracy", tuple((at * unit, one) for at, one in points))],
        key="robust",
        x=Axis(f"radius, {norm(robustness.norm)}{', grey levels of 255' if small else ''}", 0),
        y=Axis("right, %", 0, 1, percent=True),
        levels=[] if chance.value is None else [Level(chance.value, f"chance {value_of(chance, percent=True)}")],
        mark=(robustness.radius * unit, here, f"{value_of(here, percent=True)} at {radius(robustness.radius)}"),
        x_names=[radius(at) for at, _ in points],
    )


def _end(value: float) -> str:
    return fixed(value, 0) if value == 0 else f"{value:.3g}".replace("-", "−")
