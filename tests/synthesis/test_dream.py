from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import synthesis_dream as slow
from striate.core.cite import cite
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.image import read_image
from striate.imageopt.objective import layer_energy
from striate.imageopt.score import scores_of
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.dream import CITES, Dreaming, dream, dreamt
from striate.synthesis.judge import seen_by
from striate.synthesis.made import told
from striate.synthesis.payload import Synthesis
from striate.synthesis.watch import Watch

STILL = Dreaming(octaves=3, steps=2, rate=0.01, jitter=0.0)
PICTURES = torch.rand(2, 3, 24, 31, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
QUICK = Dreaming(octaves=2, steps=3)


def linear_layer(size: int | tuple[int, int] | None = None, least: int = 4) -> Net:
    """A layer without bias, in float64."""
    module = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False)).double()
    with torch.no_grad():
        module[0].weight.normal_(generator=torch.Generator().manual_seed(1))
    return Net(module, classes=2, outputs="other", size=size, least_size=least)


@pytest.fixture(scope="module")
def small() -> Net:
    return load_net("striate/small")


@pytest.fixture(scope="module")
def shapes() -> Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 0.5 + 0.25


def test_one_step_on_a_linear_layer_is_the_closed_form() -> None:
    weights = torch.randn(7, 3 * 6 * 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    module = nn.Sequential(nn.Flatten(), nn.Linear(108, 7, bias=False)).double()
    with torch.no_grad():
        module[1].weight.copy_(weights)
    x = PICTURES[:, :, :6, :6] * 0.2 + 0.4
    made = dream(Net(module, size=6, channels=3), x, layer="1", how=Dreaming(1, 1, 0.003, jitter=0.0))
    grad = x.flatten(1) @ weights.T @ weights
    expected = x.flatten(1) + 0.003 * grad / grad.abs().mean(1, keepdim=True)
    torch.testing.assert_close(made.images.flatten(1), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(made.scores, (expected @ weights.T).square().sum(1) / 2, atol=1e-9, rtol=1e-12)


def test_octaves_and_their_detail_are_those_of_the_notebook() -> None:
    net = linear_layer()
    made = dream(net, PICTURES, layer="0", how=STILL)
    kernels = net.module[0].weight.detach().numpy()
    for picture, ours in zip(PICTURES, made.images, strict=True):
        expected = slow.dream(picture.numpy(), kernels, [(12, 16), (17, 22), (24, 31)], steps=2, rate=0.01)
        torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-9, rtol=0)


def test_steps_of_length_zero_give_the_picture_back_exactly() -> None:
    made = dream(linear_layer(), PICTURES, layer="0", how=Dreaming(octaves=4, steps=1, rate=0.0))
    assert torch.equal(made.images, PICTURES)


def test_the_energy_rises_tenfold_from_a_picture_and_from_noise(small: Net, shapes: Tensor) -> None:
    for start in (shapes[:1], None):
        made = dream(small, start, layer="stage1.relu", how=Dreaming())
        row = made.tables[0].rows[-1]
        assert row[2] == "the picture, the dream"
        assert row[5] == pytest.approx(row[4] / row[3])
        assert row[5] > 10


def test_the_table_holds_what_the_layer_says_before_and_after(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes[:2], names=("a", "b"), layer="stage2.relu", how=QUICK)
    octaves, seen = made.tables
    assert [row[:3] for row in octaves.rows[:3]] == [
        ("dream-a", 1, "23 x 23"),
        ("dream-a", 2, "32 x 32"),
        ("dream-a", None, "the picture, the dream"),
    ]
    energy = layer_energy("stage2.relu")
    before, after = scores_of(small, energy, shapes[:2]), scores_of(small, energy, made.images)
    for k in range(2):
        last = octaves.rows[3 * k + 2]
        assert last[3:5] == pytest.approx((float(before[k]), float(after[k])), rel=1e-4)
        probability, predicted = seen_by(small, shapes[k : k + 1])
        name = small.classes[int(predicted)]
        assert seen.rows[k][:3] == (f"dream-{'ab'[k]}", name, pytest.approx(float(probability.max()), rel=1e-4))
    assert made.scores == pytest.approx(after, rel=1e-5)
    assert made.history.shape == (2 * 4, 2)


def test_a_picture_is_dreamt_alike_alone_and_in_a_batch_and_another_seed_shifts_otherwise(
    small: Net, shapes: Tensor
) -> None:
    options = {"channels": (3, 40), "layer": "stage1.relu", "how": QUICK}
    together = dream(small, shapes, seed=4, **options)
    alone = dream(small, shapes[1:2], names=("1",), seed=4, **options)
    assert alone.stems == together.stems[2:4] == ("dream-1-channel-3", "dream-1-channel-40")
    torch.testing.assert_close(alone.images, together.images[2:4], atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.scores, together.scores[2:4], atol=0, rtol=1e-4)
    one = dream(small, shapes[1:2], names=("1",), seed=4, layer="stage1.relu", channels=(40,), how=QUICK)
    torch.testing.assert_close(one.images, together.images[3:4], atol=1e-5, rtol=0)
    assert torch.equal(dream(small, shapes, seed=4, **options).images, together.images)
    assert not torch.allclose(dream(small, shapes, seed=5, **options).images, together.images, atol=1e-3)


def test_each_octave_and_each_dream_of_a_film_draws_its_own_shifts(small: Net, shapes: Tensor) -> None:
    how = Dreaming(octaves=1, steps=1)
    ids = torch.tensor([1, 2, 3])

    def made(turn: int) -> Tensor:
        (only,) = dreamt(small, layer_energy("stage1.relu"), shapes, how=how, ids=ids, turn=turn)
        return only.found.images

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


def test_a_class_is_dreamt_into_a_picture_and_the_net_then_sees_it(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes[:1], targets=(2, 5), how=Dreaming(steps=20))
    result, _ = told(made, small, kind="dream")
    assert [one.target for one in result.images] == [small.classes[2], small.classes[5]]
    assert all(one.predicted == one.index and one.probability > 0.9 for one in result.images)
    assert made.tables[0].columns[-1] == "after"


def test_the_image_is_where_the_steps_ended_even_below_an_earlier_one(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes[:1], targets=(5,), how=Dreaming(octaves=1, steps=6, rate=0.3, jitter=0.0))
    assert float(made.history.max()) > float(made.history[-1]) + 0.1
    assert float(made.scores) == pytest.approx(float(made.history[-1]), abs=1e-4)


def test_a_guide_pulls_each_place_to_its_best_match() -> None:
    """One step of one octave against the notebook's loop."""
    net, guide = linear_layer(), torch.rand(3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    picture = PICTURES[:1, :, :9, :8] * 0.5 + 0.25
    kernels = net.module[0].weight.detach().numpy()
    made = dream(net, picture, layer="0", guide=guide, how=Dreaming(1, 1, 0.004, jitter=0.0))
    said = slow.answer(picture[0].numpy(), kernels)
    _, pulled = slow.guided(said, slow.answer(guide.numpy(), kernels))
    grad = np.zeros_like(picture[0].numpy())
    for k, y, x in np.ndindex(*pulled.shape):
        grad[:, y : y + 3, x : x + 3] += pulled[k, y, x] * kernels[k]
    expected = picture[0].numpy() + 0.004 * grad / np.abs(grad).mean()
    torch.testing.assert_close(made.images[0], torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_noise_is_drawn_by_the_seed_and_begins_smooth(small: Net) -> None:
    still = Dreaming(octaves=3, steps=1, rate=0.0)
    first = dream(small, layer="stem.relu", how=still, seed=1)
    assert first.stems == ("dream-noise",)
    assert first.sources == {}
    assert not torch.equal(first.images, dream(small, layer="stem.relu", how=still, seed=2).images)
    assert first.images.shape == (1, 3, 32, 32)
    assert float(first.images.diff(dim=3).std()) < 0.8 * float(first.images.std())


def test_small_nets_get_the_octaves_that_they_take(small: Net) -> None:
    made = dream(small, how=Dreaming(octaves=9, steps=1))
    assert made.words.split(", ")[1] == "5 octaves from 8 x 8 px"
    assert made.notes == ("5 of 9 octaves: striate/small takes nothing below 8 px",)
    fixed = dream(load_net("striate/mlp.random"), how=Dreaming(steps=1))
    assert fixed.images.shape == (1, 1, 28, 28)
    assert fixed.notes == ("1 of 4 octaves: striate/mlp takes one size",)


def test_what_is_shown_on_the_way_is_at_full_size(small: Net, shapes: Tensor) -> None:
    watch = Watch(film=1)
    made = dream(small, shapes[:1], layer="stage1.relu", how=QUICK, watch=watch)
    assert [tuple(frame.shape) for frame in watch.frames] == [(1, 3, 32, 32)] * 6
    torch.testing.assert_close(watch.frames[-1] / 255, made.images, atol=0.003, rtol=0)
    changes = [float((frame / 255 - shapes[:1]).abs().mean()) for frame in watch.frames]
    assert changes == sorted(changes)


def test_the_net_is_left_as_it_was_found(shapes: Tensor) -> None:
    net = load_net("striate/small").train()
    before = net.fingerprint()
    dream(net, shapes[:1], how=QUICK)
    assert net.training
    assert net.fingerprint() == before
    assert all(each.grad is None and each.requires_grad for each in net.parameters())


def test_what_is_told_holds_the_source_and_survives_json(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes[:1], names=("face",), how=QUICK)
    result, album = told(made, small, kind="dream")
    assert from_json(to_json(result), Synthesis) == result
    assert (result.images[0].picture, result.images[0].source) == ("dream-face.png", "face.png")
    shown = read_image(album["face.png"], channels=3)[:, ::4, ::4]
    torch.testing.assert_close(shown, shapes[0], atol=0.003, rtol=0)
    assert result.images[0].fresh is not None
    assert METHODS.load("dream") is dream
    assert all(cite(key).bibtex for key in CITES)


class Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().flatten(1)[:, :3] + 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "stage9"}, "stage9"),
        ({"layer": "stage1.relu", "channels": (48,)}, "0 to 47, it has 48 channels"),
        ({"targets": (10,)}, "target is 10; accepted: 0 to 9"),
        ({"targets": (1,), "layer": "stage1.relu"}, "targets and the layer stage1.relu; accepted: one of them"),
        ({"targets": (1,), "channels": (1,)}, "channels and targets at once; accepted: one of"),
        ({"guide": torch.rand(1, 9, 9)}, r"images of shape \(1, 1, 9, 9\)"),
        ({"pictures": torch.rand(1, 3, 7, 9)}, "images of 7 x 9"),
        ({"pictures": torch.rand(2, 3, 9, 9), "names": ("a", "a")}, "names .* for 2 pictures"),
        ({"size": (4, 4)}, "images of 4 x 4"),
    ],
)
def test_what_cannot_be_dreamt_is_refused(small: Net, options: dict[str, object], message: str) -> None:
    with pytest.raises(StriateError, match=message):
        dream(small, options.pop("pictures", None), how=QUICK, **options)


def test_numbers_without_sense_are_refused() -> None:
    for bad, message in (
        ({"steps": 0}, "steps is 0"),
        ({"rate": -1.0}, "rate is -1"),
        ({"jitter": 1.0}, "jitter is 1"),
    ):
        with pytest.raises(StriateError, match=message):
            Dreaming(**bad)


def test_a_net_that_lets_no_gradient_through_is_told(shapes: Tensor) -> None:
    net = Net(Cut(), size=32, channels=3, classes=3)
    with pytest.raises(StriateError, match="no slope at the start; accepted: a layer that answers"):
        dream(net, shapes, layer=net.sites()[-1].name, how=QUICK)
