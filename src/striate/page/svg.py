"""Elements of SVG: escaped text, short numbers, nothing that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup, escape

from .format import readable

Attribute = str | int | float | None


def element(name: str, *children: str | Markup, **attributes: Attribute) -> Markup:
    """One element; texts are escaped, ``class_`` is written ``class``, underscores become hyphens, None is left out.

    Raises:
        ValueError: A coordinate is not finite.
    """
    parts = [Markup("<"), name]
    for key, value in attributes.items():
        if value is not None:
            written = key.rstrip("_") if key == "viewBox" else key.rstrip("_").replace("_", "-")
            parts += [
                Markup(' {}="{}"').format(written, short(value) if isinstance(value, (int, float)) else readable(value))
            ]
    inside = Markup("").join(_inside(child) for child in children)
    parts.append(Markup(">{}</{}>").format(inside, name) if children else Markup("/>"))
    return Markup("").join(parts)


def _inside(child: str | Markup) -> Markup:
    return child if isinstance(child, Markup) else escape(readable(child))


def group(children: Iterable[Markup], **attributes: Attribute) -> Markup:
    """Elements together; nothing where there are none."""
    inside = Markup("").join(children)
    return element("g", inside, **attributes) if inside else Markup("")


def short(value: float) -> str:
    """A coordinate in hundredths of a pixel, without idle zeros."""
    if not math.isfinite(value):
        raise ValueError(f"a coordinate is {value}")
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line of a class."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str | None = None) -> Markup:
    """Words whose base line begins, ends or is centred at (x, y), as ``anchor`` says."""
    return element("text", words, x=x, y=y, class_=kind or None, text_anchor=anchor)


def path(places: Iterable[tuple[float, float]]) -> str:
    """Points as a list for ``polyline`` and ``polygon``."""
    return " ".join(f"{short(x)},{short(y)}" for x, y in places)


def drawing(
    width: float, height: float, children: Iterable[Markup], *, key: str, title: str, desc: str, kind: str = "chart"
) -> Markup:
    """A whole picture that a screen reader announces by its title and its description."""
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", desc, id=f"{key}-desc"),
        *children,
        viewBox=f"0 0 {short(width)} {short(height)}",
        width=width,
        height=height,
        class_=kind,
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )
