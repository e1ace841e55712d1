"""PASCAL VOC's annotation files: read with care, for they come from strangers, and written so that nothing is lost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, indent, tostring
from xml.parsers import expat

from striate.core.errors import StriateError

from .objects import Box, decimal

MOST_BYTES = 1 << 22  # of one annotation file
_DEEPEST = 24
OWN = "striate"  # the element that holds, as JSON, what PASCAL VOC has no place for
Plain = str | dict[str, Any]


def parse_xml(data: bytes, name: str) -> Element:
    """The root element of an XML file; document types, and with them every entity, are refused before they work.

    Raises:
        StriateError: It is not XML, holds a document type, or is too large or too deep for an annotation.
    """
    if len(data) > MOST_BYTES:
        raise StriateError(
            f"{name} has {len(data) / 1e6:,.0f} MB", accepted=f"at most {MOST_BYTES / 1e6:.0f} MB a file"
        )
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise StriateError(f"{name} declares a document type", accepted="plain XML without DOCTYPE or entities")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise StriateError(f"{name} nests elements more than {_DEEPEST} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, StriateError):
            raise
        raise StriateError(f"{name} is not XML that can be read: {error}", hint="save it anew") from error
    root: Element = builder.close()
    return root


def text_of(element: Element, path: str, name: str) -> str:
    """The text of the element at this path; `StriateError` where there is none."""
    found = (element.findtext(path) or "").strip()
    if not found:
        raise StriateError(f"{name} lacks {path} in an <{element.tag}>", accepted="a complete annotation")
    return found


def number_of(element: Element, path: str, name: str) -> float:
    """The finite number at this path; `StriateError` where there is none."""
    text = text_of(element, path, name)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise StriateError(f"{name} says {path} is {text!r}", accepted="a number")
    return number


def box_of(element: Element, name: str, *, first: int) -> tuple[Box, list[float]]:
    """Edges of a ``bndbox`` (0-based), and the four numbers as written; the top left pixel is number ``first``.

    PASCAL VOC counts pixels from 1 and both ends lie inside: left = xmin - 1, right = xmax. A writer that counts from 0
    gives edges already.
    """
    ends = [number_of(element, f"bndbox/{side}", name) for side in ("xmin", "ymin", "xmax", "ymax")]
    return edges_of(ends, first=first), ends


def edges_of(ends: Sequence[float], *, first: int) -> Box:
    """Left, top, right, bottom edge of xmin, ymin, xmax, ymax."""
    return float(decimal(ends[0]) - first), float(decimal(ends[1]) - first), ends[2], ends[3]


def written_box(box: Box, *, first: int) -> list[float]:
    """xmin, ymin, xmax, ymax of these edges, the inverse of `box_of`."""
    return [float(decimal(box[0]) + first), float(decimal(box[1]) + first), box[2], box[3]]


def plain(element: Element, *, without: frozenset[str] = frozenset()) -> Plain:
    """An element as text, or as a mapping of its parts: attributes as ``@name``, children that repeat as a list."""
    children = [child for child in element if child.tag not in without]
    text = (element.text or "").strip()
    if not children and not element.attrib:
        return text
    out: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    if text:
        out["#text"] = text
    for child in children:
        value = plain(child)
        if child.tag not in out:
            out[child.tag] = value
        elif isinstance(out[child.tag], list):
            out[child.tag].append(value)
        else:
            out[child.tag] = [out[child.tag], value]
    return out


def unplain(parent: Element, parts: Mapping[str, Any], name: str, *, depth: int = 2) -> None:
    """Put what `plain` gave back under ``parent``; parts that no XML can hold raise `StriateError`."""
    if depth > _DEEPEST:
        raise StriateError(f"{name} nests parts more than {_DEEPEST} deep")
    for tag, value in parts.items():
        if tag.startswith("@"):
            parent.set(_word(tag[1:], name), _letters(value, name))
        elif tag == "#text":
            parent.text = _letters(value, name)
        else:
            for one in value if isinstance(value, list) else [value]:
                child = SubElement(parent, _word(tag, name))
                if isinstance(one, Mapping):
                    unplain(child, one, name, depth=depth + 1)
                else:
                    child.text = _letters(one, name)


def own_of(element: Element, name: str) -> dict[str, Any]:
    """What a converter kept in the element; empty where there is nothing.

    Raises:
        StriateError: It is not the JSON that converters write.
    """
    text = element.findtext(OWN)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StriateError(f"<{OWN}> of {name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StriateError(f"<{OWN}> of {name} holds a {type(found).__name__}", accepted="a JSON object")
    return found


def shown(number: float) -> str:
    """A number as briefly as it can be told: 53 for 53.0, never with an exponent."""
    value = Decimal(repr(number))
    return f"{value.to_integral():f}" if value == value.to_integral() else f"{value:f}"


def xml_bytes(root: Element) -> bytes:
    """The document as UTF-8, indented."""
    indent(root, "\t")
    return bytes(tostring(root, encoding="utf-8")) + b"\n"


def _word(tag: str, name: str) -> str:
    if not tag.replace("_", "a").replace("-", "a").isalnum() or not (tag[:1].isalpha() or tag[:1] == "_"):
        raise StriateError(f"{name} has a part named {tag!r}", accepted="letters, digits, - and _, as XML names have")
    return tag


def _letters(value: object, name: str) -> str:
    text = str(value)
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in text):
        raise StriateError(f"{name} has a text with control characters", accepted="what XML can hold")
    return text
