"""Attributes of many images at once are those of each alone."""

from __future__ import annotations

import pytest

from striate.data.load import load_data


@pytest.mark.parametrize("name", ["shapes:test=40", "shapes:64:objects=3:test=12"])
def test_attributes_of_drawn_pictures_are_those_of_their_annotations(name: str) -> None:
    data = load_data(name)
    together = data.attributes()
    for row in range(len(data)):
        assert {key: values[row] for key, values in together.items()} == dict(data.annotations(row).attributes)
