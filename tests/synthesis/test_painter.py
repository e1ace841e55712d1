from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oracles.synthesis_learnt import reflected_normalised
from striate.core.cite import cite
from striate.core.errors import RunError, StriateError
from striate.imageopt.score import scores_of
from striate.nets.load import load_net
from striate.synthesis.catalog import METHODS
from striate.synthesis.made import told
from striate.synthesis.painter import Painter, Styling, _Convolution, load_painter, stylized
from striate.training.loop import fit
from striate.training.payload import BY_LOSS
from synthesis.taught import RECIPE, bits, encoder, interrupted_and_resumed, pictures, rows, unlabelled


def painter(**options: int) -> Painter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Painter(**{"channels": 3, "width": 4, "blocks": 2, **options}).eval()


def styling(*, seed: int = 0, style: int = 9) -> Styling:
    return Styling(encoder(), pictures(1, seed=style)[0], width=4, blocks=1, seed=seed)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (30, 19), (64, 41)])
def test_a_painted_picture_has_the_size_of_the_picture(size: tuple[int, int]) -> None:
    with torch.no_grad():
        found = painter()(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)))
    assert found.shape == (2, 3, *size)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_one_colour_stays_one_colour_up_to_the_border() -> None:
    with torch.no_grad():
        found = painter()(torch.full((1, 3, 21, 26), 0.3))
    assert float((found - found[:, :, 10:11, 10:11]).abs().max()) < 1e-6


def test_an_image_is_painted_the_same_alone_in_both_modes() -> None:
    net, images = painter(), pictures(3, channels=3, side=20)
    for mode in (True, False):
        net.train(mode)
        with torch.no_grad():
            assert float((net(images)[1:2] - net(images[1:2])).abs().max()) < 1e-5


def test_a_convolution_is_padded_by_reflection_and_normalised_image_by_image() -> None:
    torch.manual_seed(3)
    part = _Convolution(2, 3, 3).double()
    with torch.no_grad():
        part[1].weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        part[1].bias.copy_(torch.tensor([0.5, 0.0, 0.1]))
        image = torch.rand(2, 2, 5, 6, dtype=torch.float64)
        found = part(image)
    kernels, scale, shift = (each.detach().numpy() for each in (part[0].weight, part[1].weight, part[1].bias))
    for row in range(2):
        right = reflected_normalised(image[row].numpy(), kernels, scale, shift)
        assert np.allclose(found[row].numpy(), right, atol=1e-10)


def test_the_figures_of_a_step_are_those_of_the_objective(tmp_path: Path) -> None:
    task, splits = styling(), unlabelled()
    training = fit(task, splits, out=tmp_path / "run", recipe=RECIPE)
    images = splits.dev.images()
    learnt = load_painter(tmp_path / "run")
    with torch.no_grad():
        painted = learnt.painter(images)
    loss = -scores_of(encoder(), learnt.loss.objective(encoder(), images), painted).double().mean()
    assert training.best.value == pytest.approx(float(loss), rel=1e-5)
    assert training.best.metric == "dev loss"
    assert training.best.value == min(row.dev_loss for row in training.history)
    row = training.history[-1]
    weighted = 0.5 * row.more["dev_content"] + row.more["dev_style"] + 10 * row.more["dev_roughness"]
    assert row.dev_loss == pytest.approx(weighted, rel=1e-5)
    assert row.dev_accuracy is None
    assert training.history[-1].train_loss < training.history[0].train_loss
    assert (training.task, training.net, task.choice) == ("style", "painter", BY_LOSS)


def test_a_run_that_is_stopped_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, again = interrupted_and_resumed(styling, unlabelled(), tmp_path)
    assert rows(again) == rows(whole)
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")


def test_seed_draws_the_painter_and_another_style_is_another_run(tmp_path: Path) -> None:
    def start(**options: int) -> torch.Tensor:
        return styling(**options).nets["painter"].last.weight

    assert torch.equal(start(seed=3), start(seed=3))
    assert not torch.equal(start(seed=3), start(seed=4))
    fit(styling(), unlabelled(), out=tmp_path / "run", recipe=RECIPE)
    with pytest.raises(RunError, match=r"has other arguments: .*about\.style"):
        fit(styling(style=5), unlabelled(), out=tmp_path / "run", recipe=RECIPE, resume=True)


def test_the_loss_net_is_left_as_it_was(tmp_path: Path) -> None:
    net = encoder().train()
    before = net.fingerprint()
    fit(Styling(net, pictures(1)[0], width=4, blocks=1), unlabelled(), out=tmp_path / "run", recipe=RECIPE)
    assert net.training
    assert net.fingerprint() == before
    assert all(each.grad is None and each.requires_grad for each in net.parameters())


def test_stylized_pictures_are_those_of_the_painter_with_their_losses(tmp_path: Path) -> None:
    fit(styling(), unlabelled(), out=tmp_path / "run", recipe=RECIPE)
    learnt, net, large = load_painter(tmp_path / "run"), encoder(), pictures(2, seed=6, side=28)
    made = stylized(net, list(large), learnt, stems=["a", "b"])
    with torch.no_grad():
        assert torch.allclose(made.images, learnt.painter(large), atol=1e-6)
    assert made.stems == ("a-stylized", "b-stylized")
    assert [row[2] for row in made.tables[0].rows] == pytest.approx((-made.scores).tolist())
    result, album = told(made, net, kind="stylize")
    assert set(album) == {"a-stylized.png", "b-stylized.png", "a.png", "b.png"}
    assert result.images[0].source == "a.png"
    alone = stylized(net, [large[1]], learnt)
    assert float((alone.images - made.images[1:]).abs().max()) < 1e-5
    assert METHODS.load("stylize") is stylized
    assert all(cite(key).bibtex for key in METHODS["stylize"].cites)


def test_what_cannot_be_painted_is_refused(tmp_path: Path) -> None:
    fit(styling(), unlabelled(), out=tmp_path / "run", recipe=RECIPE)
    learnt = load_painter(tmp_path / "run")
    with pytest.raises(StriateError, match="tiny encoder is not the net of this run"):
        stylized(encoder(seed=1), [pictures(1)[0]], learnt)
    with pytest.raises(StriateError, match="pictures of 2 sizes"):
        stylized(encoder(), [pictures(1)[0], pictures(1, side=20)[0]], learnt)
    with pytest.raises(StriateError, match=r"pictures of \(12, 12\); accepted: at least 16"):
        stylized(encoder(), [pictures(1, side=12)[0]], learnt)
    with pytest.raises(StriateError, match="holds what a run of the task 'style' has learnt"):
        load_net(tmp_path / "run")
    with pytest.raises(StriateError, match=r"holds no weights\.safetensors"):
        load_painter(tmp_path)
    with pytest.raises(StriateError, match="does not exist"):
        load_painter(tmp_path / "nowhere")
