"""The neocognitron: layers of S-cells, which learn without labels, and of C-cells, which allow for shifts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.core.errors import StriateError
from striate.nets.site import Pair

from .blueprint import Blueprint, within

SIDE = 5  # of the areas that S-cells see and of the columns in which they compete
SELECTIVITY = (4.0, 1.5, 1.5)  # r of the three stages
SPEED = (1.0, 16.0, 16.0)  # q of the three stages
SATURATION = 0.5  # alpha
NEAR_S, NEAR_C = 0.9, 0.7  # how much one pixel of distance weakens a fixed connection; the paper prints no numbers


def fading(side: int, factor: float) -> Tensor:
    """Weights ``factor ** distance`` from the centre of a square, (side, side)."""
    offsets = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    return factor ** (offsets[:, None].square() + offsets[None].square()).sqrt()


class SLayer(nn.Module):
    """Planes of S-cells: each answers where its pattern stands, the more selectively the greater r.

    u_S = r relu((1 + sum a u) / (1 + 2r / (1 + r) b v) - 1), where v = sqrt(sum c u^2) is what an inhibitory cell
    finds in the same area. All cells of a plane share their a and b.

    Source: Fukushima 1980, equations 1 to 4. Under the root stands 1e-12 more, for the gradient at an empty area.
    """

    near: Tensor

    def __init__(self, inputs: int, planes: int, *, selectivity: float, speed: float) -> None:
        super().__init__()
        self.selectivity, self.speed = selectivity, speed
        self.excitation = nn.Conv2d(inputs, planes, SIDE, padding=SIDE // 2, bias=False)
        nn.init.uniform_(self.excitation.weight, 0.0, 1e-3)
        self.excitation.weight.requires_grad_(False)
        self.inhibition = nn.Parameter(torch.zeros(planes), requires_grad=False)
        self.relu = nn.ReLU()
        near = fading(SIDE, NEAR_S).expand(1, inputs, SIDE, SIDE)
        self.register_buffer("near", near / near.sum(), persistent=False)

    def energy(self, x: Tensor) -> Tensor:
        """What the inhibitory cells say, (N, 1, H, W)."""
        return (F.conv2d(x.square(), self.near, padding=SIDE // 2) + 1e-12).sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """Answers of the S-cells (N, planes, H, W), at least 0."""
        r = self.selectivity
        damped = 2 * r / (1 + r) * self.inhibition[:, None, None] * self.energy(x)
        excited: Tensor = self.excitation(x)
        answer: Tensor = r * self.relu((1 + excited) / (1 + damped) - 1)
        return answer


class CLayer(nn.Module):
    """Planes of C-cells: each answers where any S-cell of its plane near it does, less what all planes say on average.

    u_C = psi((1 + sum d u_S) / (1 + v_S) - 1), psi(x) = relu(x) / (alpha + relu(x)). Source: Fukushima 1980, equations
    5 to 7.
    """

    near: Tensor

    def __init__(self, side: int, *, stride: int, factor: float = NEAR_C) -> None:
        super().__init__()
        self.stride, self.padding = stride, side // 2 if stride > 1 else 0
        self.relu = nn.ReLU()
        self.register_buffer("near", fading(side, factor)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Answers of the C-cells (N, planes, H', W'), from 0 to below 1."""
        planes = x.shape[1]
        weights = self.near.expand(planes, 1, *self.near.shape[2:])
        spread = F.conv2d(x, weights, stride=self.stride, padding=self.padding, groups=planes)
        raised: Tensor = self.relu((1 + spread) / (1 + spread.mean(1, keepdim=True)) - 1)
        return raised / (SATURATION + raised)


class Neocognitron(nn.Sequential):
    """Three stages of S- and C-layers, and a linear layer on the last C-layer; `organise` teaches the S-layers."""

    stages = 3


def neocognitron(classes: int, channels: int, size: Pair, *, planes: int = 24, spread: int = 5) -> Blueprint:
    """The neocognitron of 1980, with a linear layer that names what its last cells have found.

    S-cells learn by `organise`, without labels and gradients; only the last layer is learnt by descent. Training it by
    name does both. What is darker than the mean of the pixels counts as nothing, as cells do not answer below 0.

    Source: Fukushima 1980: r 4, 1.5, 1.5, q 1, 16, 16, alpha .5, areas of 5 x 5, 24 planes a stage. The paper's image
    has 16 x 16 pixels and its layers thin out to 10, 8, 6, 2 and 1; here each C-layer halves the map and the last one
    looks at all of it with equal weights. In the paper each plane of the last layer comes to stand for a pattern; for
    handwriting, of which there are many patterns to a digit, a linear layer reads them.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image.
        planes: Of S- and of C-cells, in each stage.
        spread: Side of the area over which the C-cells of the first two stages look, odd; 1 takes the tolerance away.
    """
    within("neocognitron", size, 8)
    if planes < 1 or spread < 1 or spread % 2 == 0:
        raise StriateError(
            f"striate/neocognitron with {planes} planes, spread {spread}", accepted="at least 1 plane, an odd spread"
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict(retina=nn.ReLU())
    side, inputs = size, channels
    for stage in range(Neocognitron.stages):
        layers[f"s{stage + 1}"] = SLayer(inputs, planes, selectivity=SELECTIVITY[stage], speed=SPEED[stage])
        if stage < Neocognitron.stages - 1:
            layers[f"c{stage + 1}"] = CLayer(spread, stride=2)
            side = (-(-side[0] // 2), -(-side[1] // 2))
        inputs = planes
    layers["c3"] = _whole(side)
    layers["flatten"] = nn.Flatten()
    layers["linear"] = nn.Linear(planes, classes)
    return Blueprint(Neocognitron(layers), least_size=8)


def _whole(side: Pair) -> CLayer:
    """C-cells that look at all of a map with equal weights."""
    layer = CLayer(1, stride=1)
    layer.register_buffer("near", torch.ones(1, 1, *side), persistent=False)
    return layer


@torch.no_grad()
def organise(net: Neocognitron, images: Tensor, *, stages: Collection[int] = (1, 2, 3)) -> int:
    """Each image in turn strengthens the cells that win its columns; gives how many cells were strengthened.

    In every column, an area of 5 x 5 across all planes, the cell with the strongest answer is a candidate; of the
    candidates of one plane the strongest is its representative. Its connections grow by q c u and its inhibition by
    q v / 2, so that the plane comes to answer to what this cell saw. Planes that have learnt nothing answer weakly to
    everything, so they win where no other answers. Nothing is random but their first weights.

    Args:
        net: The network, changed in place.
        images: (N, C, H, W), normalised as the network takes them.
        stages: Which learn, from 1; layers behind the last of them are not computed.

    Source: Fukushima 1980, section 3, equations 8 and 9. The paper lets all stages learn at once; given one after the
    other, each learns from what no longer changes.
    """
    strengthened = 0
    for image in images:
        seen = net.get_submodule("retina")(image[None])
        for stage in range(1, max(stages, default=0) + 1):
            layer = net.get_submodule(f"s{stage}")
            assert isinstance(layer, SLayer)
            if stage in stages:
                strengthened += reinforce(layer, seen)
            if stage < max(stages):
                seen = net.get_submodule(f"c{stage}")(layer(seen))
    return strengthened


@torch.no_grad()
def reinforce(layer: SLayer, seen: Tensor) -> int:
    """Strengthens one S-layer by what it sees of one image, (1, C, H, W); gives how many planes have learnt."""
    answer, energy = layer(seen)[0], layer.energy(seen)[0, 0]
    best, plane = answer.max(0)
    _, found = F.max_pool2d(best[None, None], SIDE, 1, SIDE // 2, return_indices=True)
    areas = F.unfold(seen, SIDE, padding=SIDE // 2)[0]  # (C * 25, H * W)
    best, plane, energy = best.flatten(), plane.flatten(), energy.flatten()
    winners: dict[int, int] = {}
    for place in torch.unique(found).tolist():
        rival = winners.get(int(plane[place]))
        if float(best[place]) > 0 and (rival is None or float(best[place]) > float(best[rival])):
            winners[int(plane[place])] = place
    near = layer.near[0]
    for each, place in winners.items():
        layer.excitation.weight[each] += layer.speed * near * areas[:, place].reshape(near.shape)
        layer.inhibition[each] += layer.speed / 2 * energy[place]
    return len(winners)
