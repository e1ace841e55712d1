"""Numbers, names and times as people read them: one place for page and terminal.

Digits go as far as the interval supports: two where its half width begins with 1 or 2, else one.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import replace

from striate.core.number import Number

MINUS = "−"
MISSING = "-"
ELLIPSIS = "…"
DIGITS = 3  # of a number without interval that is no share
MOST_DECIMALS = 4
JOINER = "\u200d"  # joins emoji and letters; turns nothing
ISOLATE, POP = "\u2068", "\u2069"  # words between them run in their own direction


def decimals(number: Number, *, percent: bool = False) -> int:
    """Decimals that the interval of ``number`` supports; without one, 1 for a share in percent, else three digits."""
    if number.why == "counted" and not percent and float(number.value or 0.0).is_integer():
        return 0
    factor = 100.0 if percent else 1.0
    default = 1
    if not percent:
        size = abs(number.value or 0.0)
        default = min(max(DIGITS - 1 - math.floor(math.log10(size)), 0), MOST_DECIMALS) if size else DIGITS
    if number.value is None or number.low is None or number.high is None:
        return default
    half = max(number.value - number.low, number.high - number.value) * factor
    if half <= 0:
        return default
    if half < 10.0**-MOST_DECIMALS:
        return MOST_DECIMALS
    order = math.floor(math.log10(half) + 1e-9)
    first = half / 10.0**order
    return min(max(-order + (1 if first < 3 else 0), 0), MOST_DECIMALS)


def fixed(value: float, places: int) -> str:
    """``value`` with so many decimals, thousands apart, a true minus sign, no negative zero."""
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def value_of(number: Number | float, *, percent: bool = False) -> str:
    """The value alone: ``"93.4 %"``, ``"0.214"``, or ``"-"`` where there is none."""
    number = number if isinstance(number, Number) else Number.of(float(number))
    if number.value is None:
        return MISSING
    if not percent and number.low is None and 0 < abs(number.value) < 10.0**-MOST_DECIMALS:
        return f"{number.value:.2g}".replace("-", MINUS)
    places = decimals(number, percent=percent)
    return f"{fixed(100 * number.value, places)} %" if percent else fixed(number.value, places)


def interval_of(number: Number, *, percent: bool = False) -> str:
    """The interval alone: ``"[92.1, 94.5]"``, or nothing."""
    if number.value is None or number.low is None or number.high is None:
        return ""
    places, factor = decimals(number, percent=percent), 100.0 if percent else 1.0
    return f"[{fixed(factor * number.low, places)}, {fixed(factor * number.high, places)}]"


def shown(number: Number | float, *, percent: bool = False) -> str:
    """A number with its interval: ``"93.4 % [92.1, 94.5]"``."""
    if not isinstance(number, Number):
        return value_of(number, percent=percent)
    return f"{value_of(number, percent=percent)} {interval_of(number, percent=percent)}".rstrip()


def points(number: Number) -> Number:
    """The same number in points of a percentage: a difference of shares, times a hundred."""
    value, low, high = (None if end is None else 100 * end for end in (number.value, number.low, number.high))
    return replace(number, value=value, low=low, high=high)


def behind(number: Number | float, *, unit: str = "") -> str:
    """What stands behind a number, in words: interval, count, and why something is missing."""
    if not isinstance(number, Number):
        return ""
    parts = []
    if number.low is not None and number.high is not None:
        parts.append("95 % interval in brackets")
    if number.n is not None:
        parts.append(f"n = {number.n:,}{' ' + unit if unit else ''}")
    if number.why:
        parts.append(number.why)
    return "; ".join(parts)


def is_share(number: Number) -> bool:
    """Whether a number in evidence reads better in percent: it is a share of a count, with all its ends in [0, 1]."""
    ends = [end for end in (number.value, number.low, number.high) if end is not None]
    return number.n is not None and number.low is not None and all(0 <= end <= 1 for end in ends)


def count(value: int, one: str = "", many: str = "") -> str:
    """A count with its noun: ``"1 image"``, ``"2,000 images"``; ``many`` is ``one`` and an s unless given."""
    noun = one if value == 1 else many or (f"{one}s" if one else "")
    return f"{value:,} {noun}".rstrip()


def large(value: float) -> str:
    """A large count in three digits: ``"269.7 k"``, ``"1.81 G"``."""
    for factor, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            part = value / factor
            return f"{fixed(part, 0 if part >= 100 else 1 if part >= 10 else 2)} {sign}"
    return fixed(value, 0)


def bytes_of(value: int) -> str:
    """A size: ``"512 MiB"``."""
    size = float(value)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{fixed(size, 0 if size >= 10 or unit == 'B' else 1)} {unit}"
        size /= 1024
    return f"{fixed(size, 1)} GiB"


def seconds(value: float) -> str:
    """A duration: ``"0.42 s"``, ``"12 s"``, ``"3 min 05 s"``, ``"2 h 10 min"``."""
    if value < 10:
        return f"{fixed(value, 2 if value < 1 else 1)} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def radius(value: float) -> str:
    """A radius in [0, 1] pixels: ``"8/255"`` where it is a whole number of grey levels, else the number."""
    levels = value * 255
    if 0.5 < levels <= 64 and abs(levels - round(levels)) < 1e-6:
        return f"{round(levels)}/255"
    return f"{value:.4g}"


def hardening(words: str) -> str:
    """What a run keeps of its hardening, with the radius as it was given: ``"pgd within Linf 8/255, steps 7"``."""
    return re.sub(r"(?<=within L)(\w+) ([0-9.e+-]+)", lambda found: f"{found[1]} {radius(float(found[2]))}", words)


def norm(name: str) -> str:
    """A norm as it is written: ``"L∞"``, ``"L2"``."""
    return "L∞" if name in ("inf", "infinity") else f"L{name}"


def readable(name: str) -> str:
    """A name from outside without what would act in a terminal or turn the line: controls become their picture.

    Escape sequences, line breaks, bidirectional overrides and invisible characters cannot get through.
    """
    return "".join(_visible(sign) for sign in name)


def named(name: str, width: int = 40) -> str:
    """A name inside a sentence: readable, cut to ``width``, and kept from turning the words around it."""
    short = cut(readable(name), width)
    return (
        f"{ISOLATE}{short}{POP}"
        if any(unicodedata.bidirectional(sign) in ("R", "AL", "AN") for sign in short)
        else short
    )


def _visible(sign: str) -> str:
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return (
        "\ufffd"
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in (JOINER, ISOLATE, POP)
        else sign
    )


def cells(text: str) -> int:
    """Columns that ``text`` takes in a terminal: wide characters two, combining ones none."""
    return sum(_columns(sign) for sign in text)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in ("W", "F") else 1


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, its end replaced by an ellipsis where it is longer."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for sign in text:
        used += _columns(sign)
        if used > width - 1:
            break
        kept.append(sign)
    return "".join(kept).rstrip() + ELLIPSIS


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` cut to ``width`` columns and filled with blanks, at the left where ``right``."""
    text = cut(text, width)
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def wrap(text: str, width: int, *, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken at blanks, and inside a word only where it is too long."""
    room, lines, line = width - cells(indent), [], ""
    for word in text.split():
        rest = word
        if line and cells(line) + 1 + cells(rest) <= room:
            line = f"{line} {rest}"
            continue
        if line:
            lines.append(line)
        while cells(rest) > room:
            taken = cut(rest, room + 1).removesuffix(ELLIPSIS) if cells(rest) > room + 1 else rest[:-1]
            lines.append(taken)
            rest = rest[len(taken) :]
        line = rest
    return [f"{indent}{each}" for each in [*lines, line] if each]
