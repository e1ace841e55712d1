"""Drawings of a search: how it went, slices of its space, parallel coordinates, what it trades."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from striate.core.number import Number
from striate.learn.search.findings import place
from striate.learn.search.payload import Part, Search, Trial, Value

from .charts import HEIGHT, TOP, WIDTH, Axis, Chart, Frame, axes, frame_of
from .format import cut, fixed, value_of
from .scale import Scale, Ticks, ticks
from .svg import drawing, element, line, path, text

BROAD = 640
MOST_AXES = 7


def percent_of(found: Search) -> bool:
    """Whether the figure is a share."""
    return found.figure == "accuracy"


def figure_text(found: Search, value: float | None) -> str:
    """The figure of one trial."""
    return value_of(Number(value, why="" if value is not None else "none"), percent=percent_of(found))


def value_text(value: Value | None) -> str:
    """A parameter as people read it."""
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def scored(found: Search) -> list[Trial]:
    """The trials with a figure."""
    return [each for each in found.trials if each.value is not None]


def history_chart(found: Search) -> Chart:
    """The figure of every trial in its order, and the best up to it as a line."""
    listed = scored(found)
    best, course = listed[0], []
    for each in listed:
        if each.state == "complete" and (
            best.state != "complete" or found.better(float(each.value or 0), float(best.value or 0))
        ):
            best = each
        course.append((each.number, float(best.value or 0)))
    x = Axis("trial", 0, max(each.number for each in listed) + 1)
    y = _axis(found)
    frame = frame_of(
        [float(each.number) for each in listed], [float(each.value or 0) for each in listed], x, y, right=84
    )
    drawn = axes(frame, x, y)
    for each in listed:
        drawn.append(_dot(frame.x(each.number), frame.y(float(each.value or 0)), each, best))
    steps = [(course[0][0], course[0][1])]
    for number, value in course[1:]:
        steps += [(number, steps[-1][1]), (number, value)]
    drawn.append(
        element("polyline", points=path((frame.x(at), frame.y(value)) for at, value in steps), class_="line s1")
    )
    drawn.append(text(frame.x.end + 8, frame.y(course[-1][1]) + 4, "best so far", "label s1"))
    if any(each.state == "pruned" for each in listed):
        drawn.append(text(frame.x.end + 8, frame.y.start - 4, "rings: pruned", "label quiet"))
    if found.default is not None:
        level = next((each.value for each in listed if each.number == found.default), None)
        if level is not None and abs(frame.y(level) - frame.y(course[-1][1])) > 16:
            drawn.insert(0, line(frame.x.start, frame.y(level), frame.x.end, frame.y(level), "level"))
            drawn.append(text(frame.x.end + 8, frame.y(level) + 4, "the recipe", "label quiet"))
    title = f"Trial {best.number} is best on dev with {figure_text(found, best.value)}"
    desc = f"{found.figure} on dev of {len(listed)} trials in their order; the best up to each as a line"
    rows = tuple(
        (str(each.number), figure_text(found, each.value), each.state, figure_text(found, value))
        for each, (_, value) in zip(listed, course, strict=True)
    )
    svg = drawing(WIDTH, HEIGHT, drawn, key="trials-history", title=title, desc=desc)
    return Chart(svg, title, desc, ("trial", "dev", "state", "best so far"), rows)


def slice_chart(found: Search, part: Part, index: int) -> Chart:
    """The figure over one parameter, all others as they came."""
    listed = [each for each in scored(found) if part.name in each.parameters]
    best = _best(found, listed)
    y = _axis(found)
    values = [float(each.value or 0) for each in listed]
    frame = frame_of([0.0, 1.0], values, Axis(""), y, right=24)
    left, right, bottom = frame.x.start, frame.x.end, frame.y.start
    drawn = axes(Frame(frame.x, frame.y, Ticks((), 1.0), frame.y_ticks), Axis(""), y)
    for at, words in marks_of(part):
        drawn.append(line(frame.x(at), bottom, frame.x(at), bottom + 4, "axis"))
        side = "start" if at == 0 else "end" if at == 1 else "middle"
        drawn.append(text(frame.x(at), bottom + 18, words, "tick", anchor=side))
    drawn.append(
        text(
            (left + right) / 2, bottom + 36, f"{part.name}{', log scale' if part.log else ''}", "tick", anchor="middle"
        )
    )
    for each, value in zip(listed, values, strict=True):
        drawn.append(_dot(frame.x(place(part, each.parameters[part.name])), frame.y(value), each, best))
    title = f"{part.name}: the best is {value_text(best.parameters[part.name])}"
    desc = f"{found.figure} on dev over {part.name} of {len(listed)} trials"
    rows = tuple(
        (value_text(each.parameters[part.name]), figure_text(found, each.value), each.state) for each in listed
    )
    svg = drawing(WIDTH, HEIGHT, drawn, key=f"slice-{index}", title=title, desc=desc)
    return Chart(svg, title, desc, (part.name, "dev", "state"), rows)


def parallel_chart(found: Search) -> Chart:
    """Each trial as a line over axes of its parameters and its figure; the best tenth is stressed."""
    parts = found.space[:MOST_AXES]
    listed = [each for each in scored(found) if all(part.name in each.parameters for part in parts)]
    order = sorted(listed, key=lambda each: float(each.value or 0), reverse=found.highest)
    top = {each.number for each in order[: max(1, len(order) // 10)]}
    values = [float(each.value or 0) for each in listed]
    low, high = min(values), max(values)
    bottom, across = HEIGHT - 40, Scale(0, len(parts), 40, BROAD - 64)
    up = Scale(0, 1, bottom, TOP + 10)
    drawn: list[Markup] = []

    def height(each: Trial, index: int) -> float:
        if index < len(parts):
            return up(place(parts[index], each.parameters[parts[index].name]))
        share = (float(each.value or 0) - low) / (high - low) if high > low else 0.5
        return up(share)

    for each in sorted(listed, key=lambda one: one.number in top):
        points = [(across(index), height(each, index)) for index in range(len(parts) + 1)]
        kind = "line s1" if each.number in top else "gap"
        drawn.append(element("polyline", points=path(points), class_=kind, fill="none"))
    for index, part in enumerate(parts):
        drawn.append(line(across(index), TOP + 10, across(index), bottom, "axis"))
        drawn.append(text(across(index), 14, cut(part.name, 14), "label", anchor="middle"))
        for at, words in marks_of(part):
            if at in (0, 1) or part.kind == "choice":
                drawn.append(text(across(index), up(at) + (18 if at == 0 else -4), words, "tick halo", anchor="middle"))
    end = across(len(parts))
    drawn.append(line(end, TOP + 10, end, bottom, "axis"))
    drawn.append(text(end, 14, f"dev {found.figure}", "label", anchor="middle"))
    for at, value in ((0, low), (1, high)):
        drawn.append(
            text(end, up(at) + (18 if at == 0 else -4), figure_text(found, value), "tick halo", anchor="middle")
        )
    title = f"The best {len(top)} of {len(listed)} trials are blue"
    desc = f"one line a trial over {', '.join(part.name for part in parts)} and {found.figure} on dev"
    rows = tuple(
        (str(each.number), *(value_text(each.parameters[part.name]) for part in parts), figure_text(found, each.value))
        for each in order
    )
    head = ("trial", *(part.name for part in parts), "dev")
    return Chart(drawing(BROAD, HEIGHT, drawn, key="parallel", title=title, desc=desc), title, desc, head, rows)


def front_chart(found: Search) -> Chart:
    """The figure over multiply-adds of each architecture; those that no other beats in both are joined."""
    listed = [each for each in scored(found) if "macs" in each.costs]
    x, y = Axis("multiply-adds of an image, millions"), _axis(found)
    xs = [each.costs["macs"] / 1e6 for each in listed]
    frame = frame_of(xs, [float(each.value or 0) for each in listed], x, y, right=24)
    front = sorted((each for each in listed if each.number in found.front), key=lambda each: each.costs["macs"])
    drawn = axes(frame, x, y)
    places = [(frame.x(each.costs["macs"] / 1e6), frame.y(float(each.value or 0))) for each in front]
    if len(places) > 1:
        drawn.append(element("polyline", points=path(places), class_="line s1"))
    best = _best(found, listed)
    for each, across in zip(listed, xs, strict=True):
        drawn.append(_dot(frame.x(across), frame.y(float(each.value or 0)), each, best))
    title = f"{len(front)} of {len(listed)} architectures are beaten in both by no other"
    rows = tuple(
        (
            _code(each),
            fixed(each.costs["macs"] / 1e6, 2),
            figure_text(found, each.value),
            "yes" if each in front else "",
        )
        for each in sorted(listed, key=lambda each: each.costs["macs"])
    )
    desc = f"{found.figure} on dev over multiply-adds of {len(listed)} architectures"
    svg = drawing(WIDTH, HEIGHT, drawn, key="front", title=title, desc=desc)
    return Chart(svg, title, desc, ("architecture", "multiply-adds, M", "dev", "on the front"), rows)


def marks_of(part: Part) -> list[tuple[float, str]]:
    """Where words stand on the axis of a parameter: choices, powers of ten, or round numbers."""
    if part.kind == "choice":
        return [(place(part, each), cut(each, 14)) for each in part.choices]
    low, high = float(part.low or 0), float(part.high or 0)
    ends = [(0.0, f"{low:g}"), (1.0, f"{high:g}")]
    if part.log:
        tens = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        inner = [(place(part, value), f"{value:g}") for value in tens]
    else:
        inner = [(place(part, value), f"{value:g}") for value in ticks(low, high, most=4).values]
    return ends + [(at, words) for at, words in inner if 0.12 < at < 0.88]


def _axis(found: Search) -> Axis:
    share = percent_of(found)
    return Axis(f"dev {found.figure}{', %' if share else ''}", percent=share)


def _best(found: Search, listed: Sequence[Trial]) -> Trial:
    done = [each for each in listed if each.state == "complete"] or list(listed)
    sign = 1 if found.highest else -1
    return max(done, key=lambda each: (sign * float(each.value or 0), -each.number))


def _dot(x: float, y: float, trial: Trial, best: Trial) -> Markup:
    if trial.number == best.number:
        return element("circle", cx=x, cy=y, r=4.5, class_="mark")
    kind = "plane ring s5" if trial.state == "pruned" else "plane dot"
    return element("circle", cx=x, cy=y, r=3, class_=kind)


def _code(trial: Trial) -> str:
    return str(trial.parameters.get("code", trial.number))
