"""Pictures inside the page: album bytes as data URIs, each once, as many as the page may hold."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from striate.core.errors import ImageError

from .svg import element

THUMB = 112  # short side of a thumbnail on the page, before rounding to a whole factor
LONGEST = 4  # times its short side that the long side of a picture may be, before it decides
SHARP = 128  # below so many pixels a picture is enlarged by a whole factor, pixels kept square


@dataclass(frozen=True)
class Picture:
    """One picture as it is shown: its key, its own size, the size on the page, what it shows."""

    key: str
    width: int
    height: int
    across: int
    down: int
    alt: str

    @property
    def pixelated(self) -> bool:
        """Whether its pixels are to stay square."""
        return min(self.width, self.height) < SHARP


class Shelf:
    """The pictures of a page: counts where each is shown, and puts one that is shown twice into the page only once.

    Args:
        album: Key to PNG, WebP or GIF bytes.
        keep: Keys that may be shown; None for all.
    """

    def __init__(self, album: Mapping[str, bytes], keep: frozenset[str] | None = None) -> None:
        self._album = album
        self._keep = keep
        self._uses: Counter[str] = Counter()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._album and (self._keep is None or key in self._keep)

    def show(self, key: str, alt: str, *, target: int = THUMB) -> Picture | None:
        """The picture with its short side near ``target``, or None where the album lacks it or it is left out."""
        if key not in self:
            return None
        self._uses[self._id(key)] += 1
        width, height = size_of(self._album[key], key)
        across, down = shown_size(width, height, target)
        return Picture(key, width, height, across, down, alt)

    def markup(self, picture: Picture) -> Markup:
        """The element that shows the picture."""
        kind = "pic sharp" if picture.pixelated else "pic"
        if self._uses[self._id(picture.key)] == 1:
            return element(
                "img", src=self._uri(picture.key), alt=picture.alt, class_=kind,
                width=picture.across, height=picture.down, decoding="async",
            )  # fmt: skip
        return element(
            "svg", element("use", href=f"#{self._id(picture.key)}"), viewBox=f"0 0 {picture.width} {picture.height}",
            width=picture.across, height=picture.down, class_=kind, role="img", aria_label=picture.alt,
        )  # fmt: skip

    def shared(self) -> Markup:
        """The pictures that are shown more than once, for the top of the page; nothing where there are none."""
        images = []
        for key, identity in {self._id(key): key for key in self._album}.items():
            if self._uses[key] > 1:
                width, height = size_of(self._album[identity], identity)
                images.append(element("image", id=key, width=width, height=height, href=self._uri(identity)))
        if not images:
            return Markup("")
        return element("svg", element("defs", *images), width=0, height=0, class_="shelf", aria_hidden="true")

    def _id(self, key: str) -> str:
        return f"p{hashlib.blake2b(self._album[key], digest_size=8).hexdigest()}"

    def _uri(self, key: str) -> str:
        data = self._album[key]
        return f"data:{_kind(data, key)};base64,{base64.b64encode(data).decode('ascii')}"


def fitting(album: Mapping[str, bytes], order: Iterable[str], budget: int) -> frozenset[str]:
    """The keys that fit into ``budget`` bytes of page, the first of ``order`` first; equal pictures count once."""
    kept: set[str] = set()
    seen: set[bytes] = set()
    for key in order:
        if key in album and key not in kept:
            cost = 0 if album[key] in seen else 4 * ((len(album[key]) + 2) // 3) + 200
            if cost <= budget:
                budget -= cost
                kept.add(key)
                seen.add(album[key])
    return frozenset(kept)


def shown_size(width: int, height: int, target: int) -> tuple[int, int]:
    """Size on the page: a small picture times a whole number, a large one scaled so that its short side is ``target``.

    >>> shown_size(28, 28, 112), shown_size(500, 375, 112)
    ((112, 112), (149, 112))
    """
    side, long = min(width, height), max(width, height)
    if long > LONGEST * side and long > LONGEST * target:  # a strip: its long side decides
        share = LONGEST * target / long
        return max(1, round(width * share)), max(1, round(height * share))
    if side > 1.5 * target and side >= SHARP:
        return round(width * target / side), round(height * target / side)
    factor = max(1, min(int(target / side + 0.5), LONGEST * target // long))
    return width * factor, height * factor


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of a PNG, WebP or GIF, read from its head.

    Raises:
        ImageError: It is none of them.
    """
    kind = _kind(data, name)
    if kind == "image/gif":
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    if kind == "image/png":
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    form = data[12:16]
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if form == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _kind(data: bytes, name: str) -> str:
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return "image/webp"
    raise ImageError(f"picture {name!r} of the album is neither PNG, WebP nor GIF", accepted="bytes of one of them")
