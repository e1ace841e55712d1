"""Image files to numbers: formats told by their first bytes, sizes checked in the header, nothing rounded away."""

from __future__ import annotations

import importlib
import io
import os
import stat
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .errors import ImageError

PIXEL_LIMIT = 16_000_000
FORMATS = "PNG, JPEG, WebP, BMP, TIFF, GIF"
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_OTHERS = {
    b"%PDF": "a PDF document",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML text",
    b"version https://git-lfs": "a pointer to a file that Git LFS has not fetched",
    b"PK\x03\x04": "a zip archive",
    b"\x93NUMPY": "a numpy array (load it, and give the array)",
    b"8BPS": "a Photoshop document",
}
# Pillow cuts these to eight bits; the second word names the layout whose decoding gives the eight bits that it drops.
_LOW_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
}


_START = 1 << 15  # bytes in which most headers end
_IN_ORDER = frozenset({"JPEG", "PNG", "GIF", "BMP"})  # read from front to back: a start is a header, or an error
# A pipe must not make the opening wait for whoever writes to it.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

_QUIET = threading.RLock()  # the list of warning filters belongs to the whole process


@dataclass(frozen=True)
class Pixels:
    """What a file holds: ``colour`` (H, W, 1 or 3) uint8 or uint16, ``alpha`` (H, W) of the same kind or None."""

    colour: npt.NDArray[Any]
    alpha: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Header:
    """What the first bytes of a file say: format, height and width once it is upright, 1 channel for grey or else 3."""

    format: str
    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class Stored:
    """The numbers of a picture as its file stores them, for pictures whose numbers are not light but classes.

    Attributes:
        values: (H, W) palette indices or grey levels, uint8 or uint16, or (H, W, 3) colours.
        palette: Colour of each index; empty where there is no palette.
        format: Kind of file.
    """

    values: npt.NDArray[Any]
    palette: tuple[tuple[int, int, int], ...]
    format: str


def decode(source: str | Path | bytes, *, name: str | None = None, allow_huge: bool = False) -> Pixels:
    """The pixels of the first frame, upright, at the depth at which they were saved.

    Raises:
        ImageError: Missing, a folder, empty, truncated, not an image, of a kind that is not read, or of more than
            `PIXEL_LIMIT` pixels without ``allow_huge`` (the header is enough to refuse it).
    """
    found = decode_picture(source, name=name, allow_huge=allow_huge)
    return found if isinstance(found, Pixels) else _pixels(found, _title(source, name))


def decode_picture(source: str | Path | bytes, *, name: str | None = None, allow_huge: bool = False) -> Any:
    """As `decode`, but a picture of eight bits, grey or RGB without alpha, comes as Pillow's own, not copied yet."""
    title = _title(source, name)
    with _opened(source, title, allow_huge=allow_huge) as (image, kind):
        with _translated(title, "is damaged or truncated"):
            if kind == "PNG" and image.tile and str(image.tile[0].args) == "LA;16B":
                return _grey_alpha_16(image)
            raw = _rawmode(image)
            if "16" in raw and image.mode in {"RGB", "RGBA"}:
                return _deep_colour(source, image, raw, kind, title=title, allow_huge=allow_huge)
            if kind == "TIFF":
                with _quiet():
                    image.load()
            else:
                image.load()
            upright = _upright(image, kind)
        if upright.width * upright.height == 0:
            raise ImageError(f"{title} holds no pixels")
        plain = upright.mode in {"L", "RGB"} and "transparency" not in upright.info
        return upright if plain else _pixels(upright, title)


def decode_stored(source: str | Path | bytes, *, name: str | None = None) -> Stored:
    """The numbers of a picture as stored, upright: palette indices stay indices, and few grey levels stay few.

    Raises:
        ImageError: As `decode`; a picture in a colour space that no numbers can be read from; one with alpha that
            hides anything.
    """
    title = _title(source, name)
    with _opened(source, title, allow_huge=False) as (image, kind):
        raw = _rawmode(image)
        with _translated(title, "is damaged or truncated"):
            image.load()
            upright = _upright(image, kind)
        if upright.mode in {"P", "PA"}:
            flat = upright.getpalette() or []
            palette = tuple(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))
            return Stored(np.asarray(upright.getchannel("P") if upright.mode == "PA" else upright), palette, kind)
        if upright.mode == "1":
            return Stored(np.asarray(upright).astype(np.uint8), (), kind)
        if upright.mode == "L" or upright.mode.startswith("I;16"):
            scale = {"L;2": 85, "L;4": 17}.get(raw, 1)  # two and four bits come stretched to eight
            values = np.asarray(upright) // scale
            return Stored(values, (), kind)
        if upright.mode not in {"RGB", "RGBA", "LA"}:
            raise ImageError(f"{title} holds {upright.mode} values", accepted="a palette, grey levels or colours")
        pixels = _pixels(upright, title)
        if pixels.alpha is not None and (pixels.alpha < 255).any():
            raise ImageError(f"{title} is transparent in places", accepted="a picture without alpha")
        values = pixels.colour
        same = (values == values[..., :1]).all()
        return Stored(np.ascontiguousarray(values[..., 0] if same else values), (), kind)


def read_header(source: str | Path | bytes, *, name: str | None = None) -> Header:
    """Format and size of an image file from its header, without decoding; raises `ImageError` as `decode` does."""
    title = _title(source, name)
    with _stream(source, title) as stream:
        start = stream.read(_START)
        if len(start) == _START and _kind(start, title) in _IN_ORDER:
            try:
                return _header(io.BytesIO(start), title)
            except ImageError:
                stream.seek(0)  # there is more in front of the picture, a colour profile or a small picture of it
        else:
            stream.seek(0)
        return _header(stream, title)


def _header(stream: IO[bytes], title: str) -> Header:
    image, kind = _parsed(stream, title, allow_huge=True)
    grey = image.mode in {"1", "L", "LA", "La"} or image.mode.startswith("I;16")
    if kind == "TIFF":  # by its tags: releases of Pillow differ in whether the size is turned already
        turn, sides = image.tag_v2.get(0x0112, 1), (image.tag_v2[0x0100], image.tag_v2[0x0101])
    else:
        turn, sides = _orientation(image.info.get("exif")), image.size
    width, height = sides[::-1] if turn in {5, 6, 7, 8} else sides
    return Header(kind, height, width, 1 if grey else 3)


def renew_lock() -> None:
    """To be called first in a process that was forked: another thread of the parent may have held the lock."""
    global _QUIET  # noqa: PLW0603
    _QUIET = threading.RLock()


def _title(source: str | Path | bytes, name: str | None) -> str:
    return name or ("the image given as bytes" if isinstance(source, bytes) else str(source))


@contextmanager
def _opened(source: str | Path | bytes, title: str, *, allow_huge: bool) -> Iterator[tuple[Any, str]]:
    with _stream(source, title) as stream:
        yield _parsed(stream, title, allow_huge=allow_huge)


def _parsed(stream: IO[bytes], title: str, *, allow_huge: bool) -> tuple[Any, str]:
    start = stream.read(32)
    stream.seek(0)
    kind = _kind(start, title)
    with _translated(title, f"begins as {kind} but its header cannot be read"), _quiet():
        image = _plugin(kind)(stream)
    if image.width * image.height > PIXEL_LIMIT and not allow_huge:
        raise ImageError(
            f"{title} has {image.width}x{image.height} pixels, {image.width * image.height / 1e6:,.0f} million",
            accepted=f"at most {PIXEL_LIMIT // 1_000_000} million unless allow_huge=True",
            hint="make it smaller first",
        )
    return image, kind


@contextmanager
def _stream(source: str | Path | bytes, title: str) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        if not source:
            raise ImageError(f"{title} is empty", accepted=FORMATS)
        yield io.BytesIO(source)
        return
    with open_file(source, title) as (stream, _):
        yield stream


@contextmanager
def open_file(path: str | Path, title: str) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """An ordinary file that is not empty, opened once to be read, and what the file system says of it.

    Raises:
        ImageError: It is missing, a folder, a pipe or a device, empty, or may not be read.
    """
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise ImageError(f"{title} does not exist", accepted="the path of an image file") from None
    except (OSError, ValueError) as error:
        if Path(path).is_dir():
            raise ImageError(f"{title} is a folder, not an image file", accepted=FORMATS) from None
        raise ImageError(f"{title} cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    with os.fdopen(handle, "rb") if _ordinary(handle) else _closed(handle, title) as stream:
        state = os.fstat(handle)
        if state.st_size == 0:
            raise ImageError(f"{title} is empty (0 bytes)", accepted=FORMATS)
        yield stream, state


def _ordinary(handle: int) -> bool:
    return stat.S_ISREG(os.fstat(handle).st_mode)


def _closed(handle: int, title: str) -> IO[bytes]:
    mode = os.fstat(handle).st_mode
    os.close(handle)
    what = "is a folder, not an image file" if stat.S_ISDIR(mode) else "is no ordinary file"
    raise ImageError(f"{title} {what}", accepted=FORMATS)


def _kind(start: bytes, title: str) -> str:
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    what = next((words for mark, words in _OTHERS.items() if start.lstrip().startswith(mark)), "")
    if start[4:8] == b"ftyp":
        what = f"a {start[8:12].decode('latin-1').strip()} file (HEIC, AVIF and videos are not read)"
    raise ImageError(f"{title} is not an image{f' but {what}' if what else ''}", accepted=FORMATS)


def _plugin(kind: str) -> Callable[[IO[bytes]], Any]:
    """Pillow's reader of one format, called directly: ``Image.open`` warns of large pictures by a global setting."""
    stem = {"WebP": "WebP", "PNG": "Png", "JPEG": "Jpeg", "BMP": "Bmp", "TIFF": "Tiff", "GIF": "Gif"}[kind]
    opened: Callable[[IO[bytes]], Any] = getattr(importlib.import_module(f"PIL.{stem}ImagePlugin"), f"{stem}ImageFile")
    return opened


@contextmanager
def _translated(title: str, what: str) -> Iterator[None]:
    """Whatever a damaged file makes Pillow raise becomes an `ImageError` with the file's name."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{title} does not fit into memory") from error
    except (OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, OverflowError, AttributeError,
            struct.error, zlib.error, ZeroDivisionError, RuntimeError, Warning) as error:  # fmt: skip
        raise ImageError(f"{title} {what} ({error})", hint="open it in a viewer, or save it anew") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No word from Pillow on what is beside the picture, such as damaged EXIF data: it is not what was asked for."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _rawmode(image: Any) -> str:
    if not image.tile:
        return ""
    args = image.tile[0].args
    return str(args if isinstance(args, str) else args[0] if args else "")


def _deep_colour(
    source: str | Path | bytes, image: Any, raw: str, kind: str, *, title: str, allow_huge: bool
) -> Pixels:
    """Colour of 16 bits a channel: decoded twice, once for the high bytes and once for the low ones."""
    if raw not in _LOW_BYTES or len({_args(tile) for tile in image.tile}) != 1:
        raise ImageError(f"{title} holds 16-bit colour laid out as {raw}", accepted="interleaved RGB or RGBA")
    transparency = image.info.get("transparency")
    image.load()
    high = np.asarray(_upright(image, kind))
    with _opened(source, title, allow_huge=allow_huge) as (again, _):
        again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]
        again.load()
        low = np.asarray(_upright(again, kind))
    deep = (high.astype(np.uint16) << 8) | low
    if deep.shape[2] == 4:
        return Pixels(deep[..., :3], deep[..., 3])
    if isinstance(transparency, tuple):
        clear = (deep == np.array(transparency, dtype=np.uint16)).all(axis=2)
        return Pixels(deep, np.where(clear, 0, 65535).astype(np.uint16))
    return Pixels(deep, None)


def _args(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _swapped(args: Any) -> Any:
    return _LOW_BYTES[args] if isinstance(args, str) else (_LOW_BYTES[args[0]], *args[1:])


def _grey_alpha_16(image: Any) -> Pixels:
    """PNG of 16-bit grey and alpha: four bytes a pixel, read as if they were four channels of eight bits."""
    image.tile = [tile._replace(args="RGBA") for tile in image.tile]
    image.load()
    parts = np.asarray(_upright(image, "PNG")).astype(np.uint16)
    grey, alpha = (parts[..., 0] << 8) | parts[..., 1], (parts[..., 2] << 8) | parts[..., 3]
    return Pixels(grey[..., None], alpha)


def _pixels(image: Any, title: str) -> Pixels:
    mode = image.mode
    if mode in {"F", "I"}:
        raise ImageError(
            f"{title} holds {'floating-point' if mode == 'F' else '32-bit'} values, whose range no file states",
            accepted="8 or 16 bits a channel",
            hint="load the array yourself and give it to as_images with scale=",
        )
    if mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint16)[..., None]
        clear = image.info.get("transparency")
        alpha = np.where(grey[..., 0] == clear, 0, 65535).astype(np.uint16) if isinstance(clear, int) else None
        return Pixels(grey, alpha)
    if mode in {"PA", "LA", "La", "RGBa"} or (mode in {"1", "L", "RGB", "P"} and "transparency" in image.info):
        straight = image.convert("RGBA") if mode in {"RGBa", "P", "PA", "RGB"} else image.convert("LA").convert("RGBA")
        if mode in {"1", "L"}:  # the transparent grey level is lost on the way through LA
            straight = image.convert("L").convert("RGBA") if mode == "1" else image.convert("RGBA")
        return _split(np.asarray(straight))
    if mode in {"RGBA", "RGBX"}:
        array = np.asarray(image)
        return _split(array) if mode == "RGBA" else Pixels(array[..., :3], None)
    if mode in {"1", "L"}:
        return Pixels(np.asarray(image.convert("L"))[..., None], None)
    return Pixels(np.asarray(image if mode == "RGB" else image.convert("RGB")), None)


def _split(array: npt.NDArray[Any]) -> Pixels:
    alpha = array[..., 3]
    return Pixels(array[..., :3], None if (alpha == 255).all() else alpha)


_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation -> Pillow's transposition


def _upright(image: Any, kind: str) -> Any:
    """The picture as EXIF says it was held; TIFF is turned by Pillow itself while it loads."""
    if kind not in {"JPEG", "PNG", "WebP"}:
        return image
    turn = _TURNS.get(_orientation(image.info.get("exif", b"")))
    return image if turn is None else image.transpose(turn)


def _orientation(exif: object) -> int:
    """Tag 0x0112 of the first directory of an EXIF block; 1 (upright) where there is none that can be read."""
    if not isinstance(exif, bytes):
        return 1
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return 1
    start = int(struct.unpack_from(f"{order}I", block, 4)[0])
    if start + 2 > len(block):
        return 1
    entries = int(struct.unpack_from(f"{order}H", block, start)[0])
    for place in range(start + 2, min(start + 2 + 12 * entries, len(block) - 11), 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, place)
        if tag == 0x0112:
            return int(value)
    return 1
