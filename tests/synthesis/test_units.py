"""Images of units, channels, layers, directions and pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.imageopt.objective import code_of, direction
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.made import told
from striate.synthesis.presets import PRESETS, Preset
from striate.synthesis.units import How, channel_images, direction_images, layer_images, pair_images, unit_images

SIDE = 8
CLOSED = How(steps=80, preset="simonyan")  # on a linear layer ascent ends at w / (2 lambda)
FEW = How(steps=6)


def linear_net(seed: int = 0) -> Net:
    """Two linear layers: what a channel says is a fixed sum over pixels."""
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(4 * SIDE**2, 3))
    return Net(layers, channels=1, size=SIDE, classes=3)


def slope(net: Net, site: str, vector: Tensor, place: tuple[int, int] | None = None) -> Tensor:
    """The gradient of a direction's mean (or of what it says at one place) by the pixels, (1, 1, SIDE, SIDE)."""
    image = torch.full((1, 1, SIDE, SIDE), 0.5, requires_grad=True)
    with net.look(read=(site,)) as look:
        value = (look(image)[site] * vector.view(1, -1, 1, 1)).sum(1)
        value = value.mean() if place is None else value[0, place[0], place[1]]
        (grad,) = torch.autograd.grad(value, image)
    return grad


def highest(grad: Tensor) -> Tensor:
    """c sqrt(n) from grey along the gradient."""
    length = PRESETS["simonyan"].contrast * math.sqrt(grad.numel())
    return 0.5 + length * grad / grad.square().sum().sqrt()


def one_hot(*channels: int) -> Tensor:
    vector = torch.zeros(4)
    vector[list(channels)] = 1.0
    return vector


def test_on_a_linear_layer_channels_pairs_and_directions_end_at_w_over_two_lambda() -> None:
    net = linear_net()
    made = channel_images(net, "0", [0, 2], how=CLOSED)
    assert made.stems == ("channel-0", "channel-2")
    for row, each in enumerate((0, 2)):
        torch.testing.assert_close(
            made.images[row : row + 1], highest(slope(net, "0", one_hot(each))), atol=1e-3, rtol=0
        )
    pair = pair_images(net, "0", [1, 3], how=CLOSED)
    assert pair.targets == ("0 channels 1 + 3", "0 channel 1", "0 channel 3")
    for row, channels in enumerate(((1, 3), (1,), (3,))):
        expected = highest(slope(net, "0", one_hot(*channels)))
        torch.testing.assert_close(pair.images[row : row + 1], expected, atol=1e-3, rtol=0)
    picture = torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    along = direction_images(net, "0", pictures={"leaf": picture}, how=CLOSED)
    code = code_of(net, picture[None], "0")["0"].mean((0, 2, 3))
    torch.testing.assert_close(along.images, highest(slope(net, "0", code)), atol=1e-3, rtol=0)
    assert "leaf" in along.sources


def test_a_unit_is_painted_where_it_stands() -> None:
    net = linear_net()
    corner, middle = (unit_images(net, "0", [1], place=place, how=CLOSED).images for place in ((0, 0), None))
    torch.testing.assert_close(corner, highest(slope(net, "0", one_hot(1), (0, 0))).clamp(0, 1), atol=0.03, rtol=0)
    assert bool((corner[0, 0, 3:, 3:] == 0.5).all())
    assert bool((middle[0, 0, :3] == 0.5).all())


def test_the_least_is_the_negative_of_the_most_on_a_linear_layer_and_scores_are_the_channels_own() -> None:
    net = linear_net()
    made = channel_images(net, "0", [1, 2], how=How(steps=80, preset="simonyan", negative=True))
    assert made.stems == ("channel-1", "channel-1-least", "channel-2", "channel-2-least")
    torch.testing.assert_close(made.images[0] - 0.5, 0.5 - made.images[1], atol=1e-3, rtol=0)
    said = code_of(net, made.images, "0")["0"].mean((2, 3))
    torch.testing.assert_close(made.scores, said[torch.arange(4), torch.tensor([1, 1, 2, 2])])
    assert float(made.scores[0]) > float(made.scores[1])


def test_what_each_channel_says_of_each_image_of_a_pair_is_told() -> None:
    net = load_net("striate/small")
    made = pair_images(net, "stage2.norm", [3, 7], how=How(steps=40, preset="yosinski1"))
    table = made.tables[0]
    said = code_of(net, made.images, "stage2.norm")["stage2.norm"].mean((2, 3))
    for row, (_, one, other) in enumerate(table.rows):
        assert one == pytest.approx(float(said[row, 3]), rel=1e-4)
        assert other == pytest.approx(float(said[row, 7]), rel=1e-4)
    assert float(said[0, 3] + said[0, 7]) > float(said[1:, [3, 7]].sum(1).max())


def test_every_channel_of_a_layer_is_painted_at_once_with_a_sheet_of_all() -> None:
    net = load_net("striate/small")
    result, album = told(channel_images(net, "stem.conv", how=How(steps=8)), net, kind="channel")
    assert len(result.images) == 24
    assert "all.png" in album
    assert [each.index for each in result.images] == list(range(24))
    grey = code_of(net, torch.full((1, 3, 32, 32), 0.5), "stem.conv")["stem.conv"].mean((0, 2, 3)).tolist()
    assert all(each.score > before for each, before in zip(result.images, grey, strict=True))


def test_an_image_depends_on_seed_and_channel_alone() -> None:
    net = load_net("striate/small")
    together = channel_images(net, "stage1.norm", [4, 9, 11], how=FEW)
    alone = channel_images(net, "stage1.norm", [9], how=FEW)
    torch.testing.assert_close(together.images[1:2], alone.images, atol=1e-4, rtol=0)
    other = channel_images(net, "stage1.norm", [9], how=How(steps=6, seed=1))
    assert not torch.equal(alone.images, other.images)
    small = How(steps=6, memory=12 * 4 * 3 * 32 * 32 * 2)
    torch.testing.assert_close(
        channel_images(net, "stage1.norm", [4, 9, 11], how=small).images, together.images, atol=1e-4, rtol=0
    )


def test_several_images_of_a_channel_are_less_alike_than_without_diversity() -> None:
    """In the mean cosine of Gram matrices, which `diversity` lowers."""
    net = load_net("striate/small")
    apart = channel_images(net, "stage3.norm", [5], how=How(steps=40, count=3))
    assert apart.stems == ("channel-5-0", "channel-5-1", "channel-5-2")
    assert len({each.tobytes() for each in apart.images.numpy()}) == 3

    def alike(images: Tensor) -> float:
        code = code_of(net, images, "stage3.norm")["stage3.norm"].flatten(2)
        grams = nn.functional.normalize((code @ code.transpose(1, 2)).flatten(1), dim=1)
        return float((grams @ grams.T)[~torch.eye(len(images), dtype=torch.bool)].mean())

    singles = torch.cat(
        [channel_images(net, "stage3.norm", [5], how=How(steps=40, seed=seed)).images for seed in range(3)]
    )
    assert alike(apart.images) < alike(singles)


def test_a_layers_energy_rises_and_random_directions_differ() -> None:
    net = load_net("striate/small")
    layer = layer_images(net, "stage2.conv", how=FEW)
    assert float(layer.scores[0]) > float(layer.history[0, 0])
    both = direction_images(net, "stage2.conv", how=How(steps=6, count=2))
    assert both.stems == ("direction-0", "direction-1")
    one = direction_images(net, "stage2.conv", how=FEW)
    torch.testing.assert_close(one.images, both.images[:1], atol=1e-4, rtol=0)
    assert direction("stage2.conv", torch.ones(2)).words


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_raises_channels_and_keeps_images_in_range(preset: str) -> None:
    net = load_net("striate/small")
    made = channel_images(net, "stage2.norm", [3], how=How(steps=12, preset=preset))
    grey = code_of(net, torch.full((1, 3, 32, 32), 0.5), "stage2.norm")["stage2.norm"][0, 3].mean()
    assert float(made.scores[0]) > float(grey)
    assert bool(((made.images >= 0) & (made.images <= 1)).all())


def test_one_channel_nets_of_28_pixels_are_painted() -> None:
    net = load_net("striate/lenet5.random")
    site = next(each.name for each in net.sites() if each.op == "conv2d")
    made = channel_images(net, site, [0, 1], how=FEW)
    assert made.images.shape[1] == 1
    assert bool(made.images.isfinite().all())


class Silent(nn.Module):
    """A unit that answers only to bright images, one that never does; a branch that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.side = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(1, 2, 3)
        self.conv.weight.data = torch.ones(2, 1, 3, 3) / 9
        self.conv.bias.data = torch.tensor([-0.6, -2.0])

    def forward(self, x: Tensor) -> Tensor:
        self.side(x)
        return self.relu(self.conv(x)).flatten(1)


def test_a_unit_that_is_silent_at_grey_is_woken_and_one_that_never_speaks_is_named() -> None:
    net = Net(Silent(), channels=1, size=12, name="silent")
    made = channel_images(net, "relu", [0, 1], how=How(steps=20))
    assert float(made.scores[0]) > 0
    assert float(made.scores[1]) == 0
    assert "1 of 2 targets have no slope" in made.notes[0]
    assert "relu channel 1" in made.notes[0]
    with pytest.raises(StriateError, match=r"nothing wakes the channel of relu.*try: the site before its rectifier"):
        channel_images(net, "relu", [1], how=How(steps=2))


def test_what_is_not_there_or_leads_nowhere_is_refused() -> None:
    net = load_net("striate/small")
    with pytest.raises(
        UnknownNameError, match=r"unknown site 'stage2.con'; accepted: nearest are stage2.conv.*all 15 sites"
    ):
        channel_images(net, "stage2.con", [0])
    with pytest.raises(UnknownNameError, match=r"channel of 'stage2\.conv': '96'; try: 0 to 95, it has 96 channels"):
        channel_images(net, "stage2.conv", [3, 96])
    with pytest.raises(StriateError, match=r"place \(9, 0\) in 'stage2.conv'"):
        unit_images(net, "stage2.conv", [3], place=(9, 0))
    with pytest.raises(StriateError, match="a pair of 3 channels; accepted: two"):
        pair_images(net, "stage2.conv", [1, 2, 3])
    with pytest.raises(StriateError, match="steps is 0"):
        channel_images(net, "stage2.conv", [1], how=How(steps=0))
    with pytest.raises(StriateError, match="count is 0"):
        channel_images(net, "stage2.conv", [1], how=How(count=0))
    with pytest.raises(UnknownNameError, match="unknown preset 'ola'; accepted: nearest are olah"):
        channel_images(net, "stage2.conv", [1], how=How(preset="ola"))
    with pytest.raises(StriateError, match="'side' is not on the way to the output of branch"):
        channel_images(Net(Silent(), channels=1, size=12, name="branch"), "side", [0])


def test_a_layer_behind_a_cut_is_refused() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.first(x)
            return self.second(x).flatten(1)

    with pytest.raises(StriateError, match="no gradient of cut reaches its image from 'second'"):
        channel_images(Net(Cut(), channels=1, size=9, name="cut"), "second", [0])


def test_the_net_is_left_as_it_was_and_methods_are_cited() -> None:
    net = load_net("striate/small").train()
    channel_images(net, "stem.conv", [0], how=How(steps=2))
    assert net.training
    assert all(each.grad is None and each.requires_grad for each in net.parameters())
    for kind in ("unit", "channel", "layer", "direction", "pair"):
        assert METHODS.load(kind)
        assert all(cite(key).bibtex for key in METHODS[kind].cites)
    assert Preset().cites
