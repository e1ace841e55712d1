from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.nets.net import Net


def _net(**options: object) -> Net:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return Net(module, **{"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 0.2), "name": "mine", **options})  # type: ignore[arg-type]


def test_normalisation_is_inside_and_differentiable() -> None:
    net = _net()
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), torch.tensor([0.5, 0.25, 0.2]).view(3, 1, 1)
    torch.testing.assert_close(net(images), net.module((images - mean) / std))
    assert torch.autograd.grad(net(images).sum(), images)[0].abs().sum() > 0


def test_mean_and_std_are_no_part_of_the_module() -> None:
    net = _net()
    assert not any("mean" in name or "std" in name for name in net.module.state_dict())
    assert set(net.state_dict()) == {f"module.{name}" for name in net.module.state_dict()}


def test_what_is_not_said_is_read_off_the_module() -> None:
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 7)))
    assert (net.channels, len(net.classes), net.size) == (1, 7, None)
    assert Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), size=8).channels == 1
    assert Net(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), size=8).channels == 3


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "images / 255"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "int64"),
        (torch.zeros(3, 8, 8), "unsqueeze"),
        (torch.zeros(2, 1, 8, 8), r"\(N, 3, H, W\)"),
        (torch.zeros(2, 8, 8, 3), "permute"),
        (torch.full((2, 3, 8, 8), 255.0), "images / 255"),
        (torch.full((2, 3, 8, 8), -1.8), "leave out the normalisation"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.float64), r"images.to\(torch.float32\)"),
        ([[1.0]], "list"),
    ],
)
def test_images_that_are_none_are_refused_in_words(images: object, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        _net()(images)


def test_a_wrong_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(StriateError, match=r"images of 9 x 8 for mine.*\(N, 3, 8, 8\)"):
        _net(size=(8, 8))(torch.zeros(1, 3, 9, 8))
    with pytest.raises(StriateError, match="at least 6 x 6"):
        _net(least_size=6)(torch.zeros(1, 3, 5, 9))


def test_wrong_statistics_are_refused() -> None:
    with pytest.raises(StriateError, match="mean has 2 numbers"):
        _net(mean=(0.1, 0.2))
    with pytest.raises(StriateError, match="positive"):
        _net(std=0.0)


def test_torchscript_is_refused_with_the_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript, which files still hold
        scripted = torch.jit.trace(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 8, 8))
    for module in (scripted, nn.Sequential(scripted)):
        with pytest.raises(StriateError, match="TorchScript"):
            Net(module)


def test_a_net_that_starts_in_place_leaves_the_pixels_alone() -> None:
    images = torch.rand(1, 1, 4, 4) - 0.5
    before = images.clone()
    Net(nn.ReLU(inplace=True), channels=1)(images)
    assert torch.equal(images, before)


def test_logits_of_probabilities_are_their_logarithms() -> None:
    images = torch.rand(2, 3, 8, 8)
    plain = _net()
    soft = Net(nn.Sequential(plain.module, nn.Softmax(dim=1)), mean=plain.mean, std=plain.std, outputs="probabilities")
    torch.testing.assert_close(soft.logits(images), plain.logits(images).log_softmax(1))
    with pytest.raises(StriateError, match="gives"):
        Net(nn.Conv2d(3, 2, 3)).logits(images)


def test_an_error_of_the_module_stays_its_own_with_a_note() -> None:
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 7)), name="mine")
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        net(torch.zeros(1, 1, 9, 9))
    assert "while mine ran on images of shape (1, 1, 9, 9)" in caught.value.__notes__[0]


def test_equal_nets_have_equal_fingerprints_and_any_change_shows() -> None:
    torch.manual_seed(0)
    net = _net()
    other = _net()
    other.module.load_state_dict(net.module.state_dict())
    assert net.fingerprint() == other.fingerprint()
    with torch.no_grad():
        other.module[0].weight[0, 0, 0, 0] += 1e-6
    assert net.fingerprint() != other.fingerprint()
    assert net.fingerprint() != net.adapted(mean=0.5).fingerprint()


def test_batch_size_follows_the_budget() -> None:
    net = _net()
    once, twice = (net.batch_size((64, 64), memory=budget) for budget in (1 << 26, 1 << 27))
    assert once * 2 <= twice <= once * 2 + 1
    assert net.batch_size((64, 64), memory=1) == 1
    assert net.batch_size((64, 64), memory=1 << 26, backward=True) <= once
    assert net.batch_size((128, 128), memory=1 << 26) <= once // 3


def test_size_is_asked_for_where_none_is_known() -> None:
    with pytest.raises(StriateError, match="any size"):
        _net().sites()
    assert len(_net(size=8).sites()) == 5


def test_the_trace_is_made_anew_after_the_module_changed() -> None:
    net = _net(size=8)
    assert len(net.sites()) == 5
    net.module.append(nn.ReLU())
    assert net.sites()[-1].name == "5"


def test_an_adapted_net_shares_the_module() -> None:
    net = _net()
    changed = net.adapted(mean=0.5, classes=("a", "b", "c", "d", "e"), name="yours")
    assert changed.module is net.module
    assert (changed.name, changed.classes[0], net.name) == ("yours", "a", "mine")
    assert torch.equal(changed.std, net.std)


def test_a_training_loop_is_told_of_wrong_pixels_at_its_first_batch_and_evaluation_always() -> None:
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), size=8)
    with pytest.raises(StriateError, match="pixels between"):
        net.train()(255 * torch.rand(2, 1, 8, 8))
    net.train()(torch.rand(2, 1, 8, 8))
    with pytest.raises(StriateError, match="pixels between"):
        net.eval()(255 * torch.rand(2, 1, 8, 8))
