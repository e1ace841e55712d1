from __future__ import annotations

import pytest
import torch

from oracles import imageopt_objectives as slow
from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.imageopt.objective import code_of
from striate.imageopt.score import scores_of
from striate.synthesis.catalog import METHODS
from striate.synthesis.mrf import CITES, patch_losses, patch_style_images

from .test_style import net, pictures


def test_the_patch_loss_is_that_of_li_and_wand_and_a_share_of_the_contents() -> None:
    model = net().double()
    content, style, painted = pictures(1).double(), pictures(1, seed=1)[0].double(), pictures(1, seed=2).double()
    losses = patch_losses(model, content, [style], layers=["3"])
    maps = [code_of(model, each, "3")["3"][0].numpy() for each in (painted, content, style[None])]
    exact = [slow.markov_loss(each, [maps[2]], 3, 1) for each in maps[:2]]
    assert float(scores_of(model, losses.style_sum, painted)[0]) == pytest.approx(exact[0])
    assert float(scores_of(model, losses.style, painted)[0]) == pytest.approx(exact[0] / exact[1])
    assert float(losses.sources[0][0]) == pytest.approx(exact[1])
    assert float(scores_of(model, losses.style, content)[0]) == pytest.approx(1)
    assert float(scores_of(model, losses.style, style[None])[0]) == pytest.approx(0)


def test_fine_layers_are_looked_at_in_steps() -> None:
    model, wide = net(), pictures(1, side=60)
    losses = patch_losses(model, wide, [pictures(1, side=60, seed=1)[0]], layers=["1"])
    places = len(range(0, 60 - 2, 3)) * len(range(0, 64 - 2, 3))
    assert f"{places} patches" in losses.style.words


def test_patches_come_nearer_to_the_styles_alone_or_in_a_batch() -> None:
    model, contents, style = net(), pictures(2), pictures(1, seed=1)[0]
    made = patch_style_images(model, contents, [style], steps=12, content=0.05, names=["a", "b"])
    assert all(float(each) > -0.5 for each in made.scores)
    assert made.tables[0].rows[0][3] < 0.5
    alone = patch_style_images(model, contents[1:], [style], steps=3)
    together = patch_style_images(model, contents, [style], steps=3)
    torch.testing.assert_close(together.images[1:], alone.images, atol=1e-5, rtol=0)
    assert made.words.startswith("-distance of patches at 1, 3 - 0.05 * content at")
    assert METHODS.load("mrf_style") is patch_style_images
    assert all(cite(key).bibtex for key in CITES)


def test_a_layer_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(StriateError, match=r"'3' gives .* accepted: maps of at least 3 x 3"):
        patch_style_images(net(), torch.rand(1, 3, 4, 4), [torch.rand(3, 16, 16)], layers=["3"], content_layers=["1"])
    with pytest.raises(StriateError, match="patches of 3 x 3"):
        patch_style_images(net(), torch.rand(1, 3, 16, 16), [torch.rand(3, 4, 4)], layers=["3"])
