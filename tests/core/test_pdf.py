"""Pages to print."""

from __future__ import annotations

import re
import zlib

import pytest
import torch

from striate.core.errors import StriateError
from striate.core.pdf import picture_page

PICTURE = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))


def test_the_page_holds_the_pixels_without_loss_at_the_size_asked_for() -> None:
    page = picture_page(PICTURE, width=14.0, words=("one (two)",))
    stored = re.search(rb"/Width 7 /Height 5 .*?/Length (\d+) >>\nstream\n", page)
    assert stored is not None
    content = zlib.decompress(page[stored.end() : stored.end() + int(stored.group(1))])
    assert content == (PICTURE * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().tobytes()
    drawn = re.search(rb"q ([\d.]+) 0 0 ([\d.]+) [\d.]+ [\d.]+ cm /Picture Do Q", page)
    assert drawn is not None
    assert [float(each) * 2.54 / 72 for each in drawn.groups()] == pytest.approx([14.0, 10.0], abs=1e-3)
    assert rb"(one \(two\)) Tj" in page


def test_every_object_lies_where_the_table_says() -> None:
    page = picture_page(PICTURE[:1], width=5.0)
    table = int(re.search(rb"startxref\n(\d+)", page).group(1))  # type: ignore[union-attr]
    assert page[table:].startswith(b"xref\n0 7\n")
    places = re.findall(rb"(\d{10}) 00000 n", page[table:])
    for number, place in enumerate(places, 1):
        assert page[int(place) :].startswith(b"%d 0 obj\n" % number)


def test_the_cutting_marks_are_in_line_with_the_edges_and_outside() -> None:
    page = picture_page(PICTURE, width=14.0)
    wide, high, left, low = (
        float(each)
        for each in re.search(rb"q ([\d.]+) 0 0 ([\d.]+) ([\d.]+) ([\d.]+) cm", page).groups()  # type: ignore[union-attr]
    )
    marks = [[float(each) for each in mark] for mark in re.findall(rb"([\d.]+) ([\d.]+) m ([\d.]+) ([\d.]+) l S", page)]
    assert len(marks) == 8
    for x, y, to_x, to_y in marks:
        upright = x == to_x
        edges, other = ((left, left + wide), (low, low + high)) if upright else ((low, low + high), (left, left + wide))
        assert min(abs((x if upright else y) - edge) for edge in edges) < 2e-3
        along = (y, to_y) if upright else (x, to_x)
        assert max(along) < other[0] or min(along) > other[1]


def test_what_no_page_can_hold_is_refused() -> None:
    with pytest.raises(StriateError, match="of shape"):
        picture_page(torch.rand(2, 4, 4), width=5)
    with pytest.raises(StriateError, match=r"20 x 14\.2"):
        picture_page(PICTURE, width=20)
