"""Frozen tables of named things."""

from __future__ import annotations

import sys

import pytest

from striate.core.errors import UnknownNameError
from striate.core.registry import Entry, Registry

PARTS = Registry[object](
    "part",
    {
        "grad_cam": Entry("json:dumps", "a map", cites=("selvaraju2017grad",)),
        "gradient": Entry("colorsys:rgb_to_hsv", "another"),
        "gone": Entry("no.such.module:thing", "missing"),
    },
    hint="striate methods",
)


def test_a_registry_lists_its_names_in_order_without_loading_them() -> None:
    sys.modules.pop("colorsys", None)
    assert list(PARTS) == ["grad_cam", "gradient", "gone"]
    assert len(PARTS) == 3
    assert "gradient" in PARTS
    assert "Gradient" not in PARTS
    assert PARTS.items()[0] == ("grad_cam", PARTS["grad_cam"])
    assert "colorsys" not in sys.modules


def test_a_part_is_imported_when_it_is_loaded() -> None:
    sys.modules.pop("colorsys", None)
    assert PARTS.load("gradient").__name__ == "rgb_to_hsv"  # type: ignore[attr-defined]
    assert "colorsys" in sys.modules


def test_an_unknown_name_is_refused_with_the_nearest_and_the_hint() -> None:
    with pytest.raises(UnknownNameError, match="unknown part 'gradcam'; accepted: nearest are grad_cam") as caught:
        PARTS.load("gradcam")
    assert caught.value.near == ["grad_cam"]
    assert "try: striate methods" in str(caught.value)


def test_a_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PARTS._entries["new"] = Entry("json:loads", "no")  # type: ignore[index]
    source = {"a": Entry("json:dumps", "x")}
    registry = Registry[object]("part", source)
    source["b"] = Entry("json:loads", "y")
    assert list(registry) == ["a"]
