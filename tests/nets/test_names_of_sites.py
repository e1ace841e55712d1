"""Names of sites that could be mistaken for each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striate.nets.net import Net


class Twice(nn.Module):
    """Calls the function relu and has a child of that name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        return self.relu(torch.relu(self.conv(images)) - 0.1)


def test_a_childs_name_means_the_child_and_never_a_function_of_that_name() -> None:
    net = Net(Twice(), size=8)
    assert [site.name for site in net.sites()] == ["conv", "relu()", "sub", "relu"]
    images = torch.rand(2, 1, 8, 8)
    with net.look(read=["relu"]) as see:
        assert torch.equal(see(images)["relu"], net(images))
