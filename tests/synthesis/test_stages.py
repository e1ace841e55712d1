from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.stages import content_site, stages, style_sites


@pytest.mark.parametrize(
    ("name", "size", "style", "content"),
    [
        (
            "torchvision/squeezenet1_0.random",
            224,
            ("features.1", "features.3.cat", "features.5.cat", "features.7.cat", "features.8.cat"),
            "features.7.cat",
        ),
        ("striate/small", 32, ("stem.relu", "stage1.relu", "stage2.relu"), "stage2.relu"),
        (
            "striate/resnet20.random",
            32,
            ("relu", "layer1.0.relu#1", "layer1.2.relu#1", "layer2.0.relu#1", "layer2.1.relu#1"),
            "layer2.0.relu#1",
        ),
    ],
)
def test_style_is_spread_over_two_thirds_of_the_ends_of_blocks(
    name: str, size: int, style: tuple[str, ...], content: str
) -> None:
    net = load_net(name)
    assert style_sites(net, size) == style
    assert content_site(net, size) == content


def test_the_sites_of_a_plain_chain_are_its_activations() -> None:
    parts: list[nn.Module] = []
    for k in range(6):
        parts += [nn.Conv2d(3 if k == 0 else 4, 4, 3, padding=1), nn.ReLU()]
    net = Net(nn.Sequential(*parts, nn.Flatten()), size=8)
    assert stages(net) == ("1", "3", "5", "7", "9")  # the last is flattened
    assert style_sites(net, count=3) == ("1", "3", "7")
    assert style_sites(net, count=1) == ("1",)


class Skipping(nn.Module):
    """The image is needed again at the end, so nothing before is what all else hangs on."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (self.two(self.one(x)) + x).flatten(1)


def test_a_net_in_which_everything_skips_gives_all_its_maps_and_one_without_maps_is_refused() -> None:
    net = Net(Skipping(), size=8)
    assert "one" in stages(net)
    assert set(stages(net)) <= {site.name for site in net.sites()}
    with pytest.raises(StriateError, match="makes no maps of 4 x 4"):
        stages(Net(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), size=8))
    assert torch.is_grad_enabled()
