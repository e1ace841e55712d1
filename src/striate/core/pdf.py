"""One page of PDF: a picture at a stated size in centimetres, marks to cut along, lines of text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from torch import Tensor

from .errors import StriateError
from .image import to_bytes

A4 = (21.0, 29.7)  # centimetres
MARGIN = 2.0
_POINTS = 72 / 2.54  # a centimetre in PDF's unit
_AWAY, _LONG = 0.2, 0.8  # cutting marks, centimetres: their gap to the picture and their length
_LINE, _FONT = 0.5, 10  # centimetres from line to line, points


def picture_page(image: Tensor, *, width: float, words: Sequence[str] = ()) -> bytes:
    """A page of A4 with an image (C, H, W) in [0, 1], ``width`` centimetres wide in print, and text below it.

    The pixels are stored as they are, 8 bits a channel without loss; four pairs of lines outside of the picture say
    where to cut. The same image gives the same bytes.

    Raises:
        StriateError: The image has neither 1 nor 3 channels, or is too large for the page.

    Source: ISO 32000-1:2008, sections 7.5 (file), 8.9 (images) and 9.4 (text).
    """
    if image.ndim != 3 or image.shape[0] not in {1, 3}:
        raise StriateError(f"a picture of shape {tuple(image.shape)}", accepted="(1, H, W) or (3, H, W)")
    height = width * image.shape[1] / image.shape[2]
    most = (A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN - _LINE * (len(words) + 3))
    if not (0 < width <= most[0] and height <= most[1]):
        raise StriateError(
            f"a picture of {width:g} x {height:g} cm", accepted=f"at most {most[0]:g} x {most[1]:g} cm on A4"
        )
    left, low = (A4[0] - width) / 2, A4[1] - MARGIN - _LONG - height
    drawn = [
        f"q {_points(width)} 0 0 {_points(height)} {_points(left)} {_points(low)} cm /Picture Do Q",
        "0.5 w",
        *_marks(left, low, width, height),
        f"BT /Font {_FONT} Tf {_points(_LINE)} TL {_points(MARGIN)} {_points(low - _AWAY - _LONG - _LINE)} Td",
        *(f"({_escaped(line)}) Tj T*" for line in words),
        "ET",
    ]
    colours = "DeviceRGB" if image.shape[0] == 3 else "DeviceGray"
    pixels = zlib.compress(to_bytes(image).permute(1, 2, 0).contiguous().cpu().numpy().tobytes(), 9)
    about = (
        f"/Type /XObject /Subtype /Image /Width {image.shape[2]} /Height {image.shape[1]} /ColorSpace /{colours} "
        f"/BitsPerComponent 8 /Interpolate false /Filter /FlateDecode"
    )
    return _file(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_points(A4[0])} {_points(A4[1])}] /Contents 4 0 R "
            "/Resources << /XObject << /Picture 5 0 R >> /Font << /Font 6 0 R >> >> >>"
        ).encode(),
        _stream("", "\n".join(drawn).encode("latin-1", "replace")),
        _stream(about, pixels),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )


def _marks(left: float, low: float, width: float, height: float) -> list[str]:
    """Two lines at each corner, in line with the edges, that do not touch the picture."""
    lines = []
    for x, out in ((left, -1), (left + width, 1)):
        for y, up in ((low, -1), (low + height, 1)):
            lines += [
                _line(x + out * _AWAY, y, x + out * (_AWAY + _LONG), y),
                _line(x, y + up * _AWAY, x, y + up * (_AWAY + _LONG)),
            ]
    return lines


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f"{_points(x)} {_points(y)} m {_points(to_x)} {_points(to_y)} l S"


def _points(centimetres: float) -> str:
    return f"{centimetres * _POINTS:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _stream(about: str, content: bytes) -> bytes:
    return f"<< {about} /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _file(*objects: bytes) -> bytes:
    """Objects 1, 2, ... with the table of their places; the first is the catalogue."""
    made, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF\n"
    return made + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()
