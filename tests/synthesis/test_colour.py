from __future__ import annotations

import pytest
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_channels
from striate.synthesis.colour import recoloured, same_colours, same_light


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_matched_colours_have_the_contents_mean_and_covariance() -> None:
    style = torch.einsum("dc,chw->dhw", drawn(3, 3, seed=2), drawn(3, 9, 7))
    content = torch.einsum("dc,chw->dhw", drawn(3, 3, seed=3), drawn(3, 6, 8, seed=1))
    matched = same_colours(style, content)
    torch.testing.assert_close(matched.mean((1, 2)), content.mean((1, 2)))
    torch.testing.assert_close(torch.cov(matched.flatten(1)), torch.cov(content.flatten(1)))
    torch.testing.assert_close(same_colours(content, content), content)


def test_a_grey_style_gets_the_contents_mean_and_no_infinities() -> None:
    content = drawn(3, 6, 8, seed=1)
    matched = same_colours(torch.full((3, 5, 5), 0.3, dtype=torch.float64), content)
    assert bool(matched.isfinite().all())
    torch.testing.assert_close(matched.mean((1, 2)), content.mean((1, 2)))


def test_light_has_the_contents_mean_and_deviation_of_luminance() -> None:
    style, content = 0.3 + 0.4 * drawn(3, 9, 7), 0.4 + 0.1 * drawn(3, 6, 8, seed=1)
    light = same_light(style, content)
    assert torch.equal(light[0], light[1])
    goal = to_channels(content, 1)
    torch.testing.assert_close(light[0].mean(), goal.mean())
    torch.testing.assert_close(light[0].std(), goal.std())
    flat = same_light(torch.full((3, 4, 4), 0.7, dtype=torch.float64), content)
    torch.testing.assert_close(flat, goal.mean().expand(3, 4, 4))


def test_recoloured_keeps_the_luminance_of_one_and_the_hue_of_the_other() -> None:
    light, content = drawn(2, 3, 5, 6), drawn(2, 3, 5, 6, seed=1)
    found = recoloured(light, content)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    torch.testing.assert_close(to_channels(found, 1), to_channels(light, 1))
    own = found - to_channels(found, 1)
    given = content - to_channels(content, 1)
    share = (own * given).sum(1, keepdim=True) / given.square().sum(1, keepdim=True)
    assert bool(((share > -1e-9) & (share < 1 + 1e-9)).all())
    torch.testing.assert_close(own, share * given)
    full = share > 1 - 1e-9
    assert 0 < float(full.double().mean()) < 1  # some had to be shortened, others not
    torch.testing.assert_close(recoloured(content, content), content)


def test_colours_of_grey_pictures_are_refused() -> None:
    with pytest.raises(StriateError, match="pictures of 1 and 3 channels"):
        same_colours(drawn(1, 4, 4), drawn(3, 4, 4))
