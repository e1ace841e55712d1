from __future__ import annotations

import pytest
import torch

from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.imageopt.objective import code_of, gram_of
from striate.synthesis.catalog import METHODS
from striate.synthesis.made import told
from striate.synthesis.texture import CITES, textures

from .test_style import net, pictures


def test_a_texture_has_the_pictures_gram_matrices_and_may_be_larger() -> None:
    model, picture = net(), pictures(1, side=16, seed=4)[0]
    made = textures(model, [picture], size=(24, 28), steps=60)
    assert made.images.shape == (1, 3, 24, 28)
    assert float(made.scores[0]) > -0.02  # of the noise's distance
    for site in ("1", "3"):
        own, goal = (gram_of(code_of(model, each, site)[site]) for each in (made.images, picture[None]))
        assert float((own - goal).norm() / goal.norm()) < 0.1
    name, own, noise = made.tables[0].rows[0]
    assert name == "0"
    assert own < 0.05 * noise


def test_a_texture_hangs_on_its_picture_and_the_seed_alone() -> None:
    model, several = net(), list(pictures(3, seed=4))
    together = textures(model, several, size=(16, 16), steps=4, seed=2)
    alone = textures(model, several[1:2], size=(16, 16), steps=4, seed=2)
    torch.testing.assert_close(together.images[1:2], alone.images, atol=1e-5, rtol=0)
    assert torch.equal(textures(model, several, size=(16, 16), steps=4, seed=2).images, together.images)
    assert not torch.equal(textures(model, several, size=(16, 16), steps=4, seed=3).images, together.images)


def test_pictures_of_several_sizes_make_textures_of_one() -> None:
    made = textures(net(), [pictures(1, side=12)[0], pictures(1, side=20)[0]], size=(16, 16), steps=2, names=["a", "b"])
    result, album = told(made, net(), kind="texture")
    assert set(album) == {"texture-a.png", "texture-b.png", "a.png", "b.png"}
    assert [each.source for each in result.images] == ["a.png", "b.png"]
    assert METHODS.load("texture") is textures
    assert all(cite(key).bibtex for key in CITES)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(StriateError, match="no picture of a texture"):
        textures(net(), [], size=(16, 16))
    with pytest.raises(StriateError, match="images of shape"):
        textures(net(), [torch.rand(1, 8, 8)], size=(16, 16))
    with pytest.raises(StriateError, match="steps is 0"):
        textures(net(), [torch.rand(3, 8, 8)], size=(16, 16), steps=0)
