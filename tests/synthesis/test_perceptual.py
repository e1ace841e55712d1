from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from oracles.synthesis_learnt import perceptual_parts
from striate.core.errors import StriateError
from striate.imageopt.score import scores_of
from striate.nets.net import Net
from striate.synthesis.perceptual import Perceptual, perceptual, stages


def loss_net() -> Net:
    """Two stages of maps, as in a VGG."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96, 2),
        )
    return Net(module.double(), size=8, name="loss net")


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_stages_are_the_sites_before_each_pooling() -> None:
    net = loss_net()
    assert stages(net, (8, 8)) == ("3", "6")
    assert stages(net, (8, 8), count=1) == ("3",)
    assert perceptual(net, images(1)[0]).site == "6"


def test_the_loss_is_the_weighted_sum_of_its_parts_by_a_float64_loop() -> None:
    net, style, pictures, painted = loss_net(), images(1, 1)[0], images(2, 2), images(2, 3)
    loss = perceptual(net, style, content=0.7, smoothness=1.3)
    with torch.no_grad():
        maps = {
            name: [module(each).numpy() for each in (painted, pictures, style[None])]
            for name, module in (("3", net.module[:4]), ("6", net.module[:7]))
        }
    found = -scores_of(net, loss.objective(net, pictures), painted)
    for row in range(2):
        parts = perceptual_parts(
            painted[row].numpy(),
            (maps["6"][0][row], maps["6"][1][row]),
            [(maps[name][0][row], maps[name][2][0]) for name in ("3", "6")],
        )
        right = 0.7 * parts["content"] + parts["style"] + 1.3 * parts["roughness"]
        assert float(found[row]) == pytest.approx(right, rel=1e-10)
        with net.look(read=loss.sites) as look:
            seen = look(painted)
            codes = torch.from_numpy(maps["6"][1])
            ours = {name: float(term(seen)[row]) for name, term in loss.parts(codes, values=painted[0].numel()).items()}
        assert ours == pytest.approx(parts, rel=1e-10)


def test_the_picture_itself_has_no_content_error_and_the_style_picture_no_style_error() -> None:
    net, picture = loss_net(), images(1)
    loss = perceptual(net, picture[0], content=1.0, smoothness=0.0)
    assert float(scores_of(net, loss.objective(net, picture), picture)) == pytest.approx(0, abs=1e-12)


def test_an_image_scores_the_same_alone() -> None:
    net, pictures, painted = loss_net(), images(3, 4), images(3, 5)
    loss = perceptual(net, images(1)[0])
    together = scores_of(net, loss.objective(net, pictures), painted)
    alone = scores_of(net, loss.objective(net, pictures[1:2]), painted[1:2])
    assert float(alone) == pytest.approx(float(together[1]), rel=1e-12)


def test_a_site_reads_content_and_style_once() -> None:
    gram = torch.ones(1, 2, 2)
    assert Perceptual("b", {"a": gram, "b": gram}).sites == ("b", "a")


def test_what_gives_no_style_is_refused() -> None:
    with pytest.raises(StriateError, match="makes no maps"):
        perceptual(Net(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), channels=3, size=8), torch.zeros(3, 8, 8))
    silent = Net(nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.ReLU()), size=8, name="still")
    with pytest.raises(StriateError, match="the style picture leaves '1' of still silent"):
        perceptual(silent, torch.zeros(3, 8, 8))
