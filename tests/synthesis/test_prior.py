from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.imageopt.objective import logit
from striate.imageopt.region import Box
from striate.imageopt.score import scores_of
from striate.nets.net import Net
from striate.synthesis.decoder import REACH, Decoding, load_decoder
from striate.synthesis.made import told
from striate.synthesis.prior import CITES, decoder_prior, pca_prior, prior_images
from striate.training.loop import fit
from synthesis.taught import RECIPE, encoder, unlabelled


def linear_net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), channels=1, size=8, name="linear")


def images() -> torch.Tensor:
    return 0.5 + 0.2 * (torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(4)) - 0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("decoder") / "run"
    task = Decoding(encoder(), "4", unlabelled().train, width=16)
    fit(task, unlabelled(), out=out, recipe=replace(RECIPE, epochs=2))
    return out


def test_codes_of_components_are_standard_and_come_back() -> None:
    prior = pca_prior(images(), 6)
    codes = prior.generator.encode(images())
    assert torch.allclose(codes.mean(0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(codes.std(0, correction=0), torch.ones(6), atol=1e-4)
    assert torch.allclose(prior.generator.encode(prior.generator(codes)), codes, atol=1e-4)


def test_the_class_image_of_a_linear_net_under_principal_components_is_its_closed_form() -> None:
    net, prior = linear_net(), pca_prior(images(), 6)
    made = prior_images(net, [0, 2], prior, steps=400, rate=0.3, length=2.0, score=logit, beside=False)
    weights = net.module[1].weight.detach()[[0, 2]].view(2, 1, 8, 8)
    codes = prior.generator.best(weights, length=2.0)
    right = prior.generator(codes)
    assert float(right.min()) > 0
    assert float(right.max()) < 1
    assert torch.allclose(made.images, right, atol=1e-4)
    # by hand: the derivative of w . (m + V s z) - 2 mean(z^2) is zero
    slope = (weights.flatten(1) @ prior.generator.components.T) * prior.generator.spreads
    assert torch.allclose(slope - 2.0 * 2 * codes / 6, torch.zeros(2, 6), atol=1e-5)
    assert torch.allclose(made.scores, net(right)[[0, 1], [0, 2]].detach() - 2.0 * codes.square().mean(1), atol=1e-4)


def test_class_images_through_a_decoder_stay_in_its_bounds_beside_those_that_are_free(run: Path) -> None:
    net, prior = encoder(), decoder_prior(load_decoder(run), k=12)
    made = prior_images(net, [0, 1], prior, steps=30)
    assert made.images.shape == (2, 1, 16, 16)
    assert set(made.sources) == {"without-class-0", "without-class-1"}
    assert len(made.tables[0].rows) == 2
    assert bool((made.history[-1] >= made.history[0]).all())
    result, album = told(made, net, kind="class")
    assert len(album) == 4
    assert result.images[0].rounded == pytest.approx(result.images[0].score, abs=0.5)
    canvas = prior.canvas
    held = canvas.hold(10 * torch.randn(4, 12), Box(), torch.arange(4))
    assert float(held.abs().max()) == REACH
    alone = prior_images(net, [1], prior, steps=30, beside=False)
    assert float((alone.images - made.images[1:]).abs().max()) < 1e-4
    assert torch.equal(prior_images(net, [1], prior, steps=30, beside=False).images, alone.images)
    assert made.notes == ()


def test_the_length_of_a_code_is_that_of_the_training_images(run: Path) -> None:
    """Over training images the mean square along all their components is 1, since each has spread 1."""
    prior = decoder_prior(load_decoder(run), k=20)
    length = prior.length(encoder())
    assert float(scores_of(encoder(), length, unlabelled().train.images()).mean()) == pytest.approx(1, rel=1e-3)


def test_another_net_cannot_read_the_codes_and_it_is_said(run: Path) -> None:
    made = prior_images(encoder(seed=3), [0], decoder_prior(load_decoder(run), k=8), steps=3, beside=False)
    assert "codes are kept by their bounds alone" in made.notes[0]


def test_the_decoder_and_the_net_are_left_as_they_were(run: Path) -> None:
    net, decoded = encoder().train(), load_decoder(run)
    before, state = net.fingerprint(), {name: value.clone() for name, value in decoded.decoder.state_dict().items()}
    prior_images(net, [0], decoder_prior(decoded, k=8), steps=3)
    assert net.training
    assert net.fingerprint() == before
    assert all(torch.equal(value, decoded.decoder.state_dict()[name]) for name, value in state.items())


def test_what_does_not_fit_is_refused(run: Path) -> None:
    decoded = load_decoder(run)
    with pytest.raises(StriateError, match="k is 500; accepted: 1 to 39"):
        decoder_prior(decoded, k=500)
    prior = decoder_prior(decoded, k=8)
    with pytest.raises(StriateError, match="does not take what the prior paints: 1 channels at 16 x 16"):
        prior_images(encoder(channels=3), [0], prior)
    with pytest.raises(StriateError, match="does not take what the prior paints"):
        prior_images(linear_net(), [0], prior)
    with pytest.raises(StriateError, match="target is 7"):
        prior_images(encoder(), [7], prior)
    with pytest.raises(StriateError, match="k is 31"):
        pca_prior(images(), 31)


def test_the_papers_are_known() -> None:
    assert all(cite(key).bibtex for key in CITES)
