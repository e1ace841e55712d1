"""The section on a transformer: what it claims is in the numbers, pictures are shown, hostile names stay text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from page.sample import png
from striate.core.number import Number
from striate.inside.attention.payload import Attended, AttendedImage, HeadReach, Patches, Positions, TokenStep
from striate.page.attended import attention_pictures, attention_section
from striate.page.glossary import Terms
from striate.page.html import _environment
from striate.page.pictures import Shelf

HOSTILE = "<script>alert(1)</script>"


def number(value):
    return Number(value, value * 0.9, min(value * 1.1, 1.0) if value <= 1 else value * 1.1, 8)


@pytest.fixture
def attended():
    reach = tuple(HeadReach(layer, head, number(3.0 + 4 * layer + head)) for layer in range(2) for head in range(3))
    path = (
        TokenStep("a", number(0.8), number(0.3), number(0.4)),
        TokenStep("b", number(0.5), number(0.9), number(1.0)),
    )
    image = AttendedImage(HOSTILE, "attention-000.png", "attended-000.png", (0.0, 0.3), "cat", ("dog", "cat"))
    return Attended(
        sites=("x", "y"),
        heads=3,
        tokens=17,
        read=(0,),
        rows=4,
        columns=4,
        patch=(8, 8),
        n=8,
        reach=reach,
        even=15.2,
        path=path,
        images=(image,),
        positions=Positions("pos", "positions.png", (-1.0, 1.0), number(0.5), Number(-0.1, n=4)),
        patches=Patches("patch", (64, 3, 8, 8), "patches.png", (0.5, 0.3)),
        residual=Number(1e-7, n=8),
        left_out=(),
    )


def rendered(attended):
    shelf = Shelf({key: png(Image.new("RGB", (58, 58), (9, 99, 9))) for key in attention_pictures(attended)}, None)
    section = attention_section(attended, shelf)
    environment = _environment()
    template = environment.from_string(
        '{% import "parts.html.j2" as parts with context %}{% include "sections/attention.html.j2" %}'
    )
    return section, template.render(content=section.content, shelf=shelf, terms=Terms())


def test_the_section_claims_what_the_numbers_say_and_shows_every_picture(attended):
    section, page = rendered(attended)
    assert "from 3" in section.claim
    assert "layer 0, head 0" in section.claim
    assert "to 9" in section.claim
    assert "more alike" in section.claim
    assert page.count("<img") + page.count("<use") == 4
    assert "17 tokens: 4 x 4 patches of 8 x 8 px and 1 without a place" in page
    assert "cat from block 1 on" in page
    assert "<script>" not in page
    assert "hold 80" in page


def test_what_is_missing_is_left_out_with_its_reason(attended):
    bare = replace(attended, positions=None, patches=None, path=(), images=(), left_out=("positions: none",))
    section, page = rendered(bare)
    assert "alike" not in section.claim.replace("everywhere alike", "")
    assert "Left out: positions: none" in page
    assert "<img" not in page
    assert attention_section(None, Shelf({}, None)) is None


def test_positions_that_have_not_learnt_the_grid_are_said_so(attended):
    planted = replace(attended.positions, near=Number(0.0, n=3), far=Number(0.2, n=3))
    section, _ = rendered(replace(attended, positions=planted))
    assert "has not learnt the grid" in section.claim
