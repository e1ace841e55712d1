from __future__ import annotations

import pytest

from striate.core.image import read_image
from striate.figures import reproduce_figures


@pytest.mark.slow
def test_digits_through_a_generator_are_read_by_another_net() -> None:
    result, album = reproduce_figures(["deep-generator"])
    assert result.passed == 1, result.figures[0].claims
    assert read_image(album["deep-generator.png"], channels=3).shape[-1] > 600
