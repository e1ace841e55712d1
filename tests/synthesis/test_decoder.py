from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oracles.synthesis_learnt import least_squares
from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.decoder import COMPONENTS, REACH, Decoder, Decoding, load_decoder
from striate.synthesis.painter import load_painter
from striate.training.loop import fit
from striate.training.task import Batch
from synthesis.taught import RECIPE, bits, encoder, interrupted_and_resumed, rows, unlabelled


def decoding(site: str = "4", *, seed: int = 0) -> Decoding:
    return Decoding(encoder(), site, unlabelled().train, width=16, seed=seed)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((6, 4, 4), (16, 16)),
        ((6, 3, 5), (28, 19)),
        ((4, 8, 8), (8, 8)),
        ((5, 1, 1), (7, 9)),
        ((12,), (28, 28)),
        ((12,), (9, 5)),
    ],
)
def test_codes_of_any_shape_become_images_of_the_size(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    decoder = Decoder(shape, channels=3, size=size, width=16).eval()
    with torch.no_grad():
        found = decoder(torch.randn(2, *shape))
        assert found.shape == (2, 3, *size)
        assert float((found[1:] - decoder(torch.zeros(1, *shape))).abs().max()) > 0
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_a_linear_decoder_of_a_linear_net_learns_the_least_squares_solution() -> None:
    """Whatever the weight of the code: its metric is constant, so the optimum over all linear maps is the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), channels=1, size=4, name="linear")
        decoder = nn.Sequential(nn.Linear(5, 16), nn.Unflatten(1, (1, 4, 4)))
    images = torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    data = Dataset.of(images, torch.zeros(64), split="train")
    task = Decoding(net, "1", data, decoder=decoder, code=0.5)
    batch = Batch(data.images(), data.labels, data.ids, torch.arange(64))
    optimizer = torch.optim.LBFGS(decoder.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        return task.step(batch, lambda loss, *_: loss.backward())["loss"].mean()

    before = float(closure())
    optimizer.step(closure)
    with torch.no_grad():
        codes = net(batch.images).double().numpy()
    weights, shift = least_squares(codes, batch.images.double().flatten(1).numpy())
    assert np.allclose(decoder[0].weight.detach().numpy(), weights, atol=2e-3)
    assert np.allclose(decoder[0].bias.detach().numpy(), shift, atol=2e-3)
    assert float(closure()) < before


def test_figures_are_shares_of_the_variance_of_training_images_and_codes() -> None:
    data = unlabelled().train
    task = decoding()
    images = data.images()
    with torch.no_grad():
        codes = encoder().module[:5](images)
        painted, given = task.predict(Batch(images, data.labels, data.ids, torch.arange(len(data))))
        again = encoder().module[:5](painted)
        figures = task.judge((painted, given), Batch(images, data.labels, data.ids, torch.arange(len(data))))
    assert torch.allclose(given, codes, atol=1e-6)
    wide = {"pixels": (painted, images), "code": (again, codes)}
    for name, pair in wide.items():
        ours, right = (each.double().flatten(1).numpy() for each in pair)
        variance = sum(((right[:, place] - right[:, place].mean()) ** 2).mean() for place in range(right.shape[1]))
        found = [((ours[row] - right[row]) ** 2).sum() / variance for row in range(len(right))]
        assert np.allclose(figures[name].numpy(), found, rtol=1e-4)
    assert torch.allclose(figures["loss"], figures["pixels"] + figures["code"])


def test_a_run_learns_and_gives_its_decoder_back_with_the_bounds_of_its_codes(tmp_path: Path) -> None:
    splits, task = unlabelled(), decoding()
    training = fit(task, splits, out=tmp_path / "run", recipe=RECIPE)
    assert training.history[-1].train_loss < training.history[0].train_loss
    assert training.best.metric == "dev loss"
    found = load_decoder(tmp_path / "run")
    with torch.no_grad():
        codes = encoder().module[:5](splits.train.images()).numpy()
    mean, std = codes.mean(0), np.maximum(codes.std(0), 1e-3 * codes.std(0).max())
    assert np.allclose(found.decoder.mean.numpy(), mean, atol=1e-5)
    assert np.allclose(found.least.numpy(), np.maximum(codes.min(0), mean - REACH * std), atol=1e-4)
    assert np.allclose(found.most.numpy(), np.minimum(codes.max(0), mean + REACH * std), atol=1e-4)
    assert (found.shape, found.channels, found.size, found.site) == ((6, 8, 8), 1, (16, 16), "4")
    assert found.fingerprint == encoder().fingerprint()
    assert len(found.decoder.spreads) == min(COMPONENTS, len(splits.train) - 1)
    assert not found.decoder.training
    code = torch.from_numpy(codes[:3])
    with torch.no_grad():
        together, alone = found.decoder(code), found.decoder(code[1:2])
    assert float((together[1:2] - alone).abs().max()) < 1e-5


def test_a_run_that_is_stopped_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, again = interrupted_and_resumed(decoding, unlabelled(), tmp_path)
    assert rows(again) == rows(whole)
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")


def test_a_vector_is_decoded_too(tmp_path: Path) -> None:
    fit(decoding("6"), unlabelled(), out=tmp_path / "run", recipe=replace(RECIPE, epochs=1))
    assert load_decoder(tmp_path / "run").shape == (96,)


def test_what_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="site '9'"):
        decoding("9")
    with pytest.raises(StriateError, match=r"maps of 8 x 8 for images of 4 x 4"):
        Decoder((3, 8, 8), channels=1, size=(4, 4))
    with pytest.raises(StriateError, match="accepted: a vector"):
        Decoder((3, 8), channels=1, size=(4, 4))
    same = Dataset.of(torch.zeros(8, 1, 16, 16), torch.zeros(8), split="train")
    with pytest.raises(StriateError, match="says the same of every training image"):
        Decoding(encoder(), "4", same)
    fit(decoding(), unlabelled(), out=tmp_path / "run", recipe=replace(RECIPE, epochs=1))
    with pytest.raises(StriateError, match="is a run of the task 'decode', not 'style'"):
        load_painter(tmp_path / "run")
    with pytest.raises(StriateError, match="what a run of the task 'decode' has learnt"):
        load_net(tmp_path / "run")
