"""A transformer looked into: planted attention, positions and patches come out; the last guess is the net's own."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inside.tokens import tokens_net
from oracles import inside_attention as slow
from striate.core.codec import dumps, from_json, to_json
from striate.core.errors import StriateError
from striate.inside.attention.components import components
from striate.inside.attention.path import block_ends, token_path
from striate.inside.attention.payload import Attended
from striate.inside.attention.positions import near_and_far, position_cosines, position_embedding
from striate.inside.attention.reach import attention_distance, distances
from striate.inside.attention.reading import attention_of
from striate.inside.attention.report import attention_report
from striate.inside.attention.tokens import TokenGrid, token_grid
from striate.nets.load import load_net
from striate.nets.net import Net

GRID = TokenGrid(count=13, width=8, start=1, rows=3, columns=4, read=(0,), stream=())


def test_attention_distance_is_the_slow_loops_whatever_the_class_token_gets():
    weights = torch.rand(2, 3, 13, 13, generator=torch.Generator().manual_seed(0)).softmax(-1)
    found = attention_distance(weights, GRID, (4, 5))
    for image in range(2):
        for head in range(3):
            among = weights[image, head, 1:, 1:].double().numpy()
            assert found[image, head].item() == pytest.approx(slow.mean_distance(among, 3, 4, (4, 5)), abs=1e-6)
    itself, even = torch.eye(13).expand(1, 1, 13, 13), torch.full((1, 1, 13, 13), 1 / 13)
    assert attention_distance(itself, GRID, (4, 5)).item() == 0
    assert attention_distance(even, GRID, (4, 5)).item() == pytest.approx(distances(GRID, (4, 5)).mean().item())


def test_cosines_of_planted_positions_fall_with_distance():
    rows, columns = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    angles = torch.stack([rows.flatten(), columns.flatten()], 1) * 0.5
    planted = torch.cat([angles.cos(), angles.sin()], 1)
    cosines = position_cosines(planted)
    assert torch.allclose(cosines.diagonal(), torch.ones(12, dtype=torch.float64))
    expected = (torch.cos(torch.tensor(0.5)) + 1) / 2
    (near, pairs), (far, others) = near_and_far(cosines, GRID)
    assert near == pytest.approx(expected.item(), abs=1e-6)
    assert (pairs, others) == (17, 37)
    assert far < near


def test_components_are_planted_patterns_by_their_share():
    first, second = torch.eye(12)[0].view(3, 2, 2), torch.eye(12)[5].view(3, 2, 2)
    weight = torch.stack([4 * first, -4 * first, second, -second])
    found, shares = components(weight + torch.linspace(0, 3, 12).view(3, 2, 2))
    assert torch.allclose(found[0].float(), first, atol=1e-6)
    assert torch.allclose(found[1].float(), second, atol=1e-6)
    assert shares[:2].tolist() == pytest.approx([16 / 17, 1 / 17])


def test_the_last_guess_is_the_nets_own_and_a_block_that_adds_nothing_changes_none(photos):
    net = tokens_net()
    net.module.blocks[1].out_proj.weight.data.zero_()
    net.module.blocks[1].out_proj.bias.data.zero_()
    grid, sites = token_grid(net, (16, 16)), attention_of(net, photos).sites
    ends = block_ends(net, (16, 16), grid, sites)
    assert ends == ("add", "add#1", "add#2")
    path = token_path(net, photos, ends, grid)
    own = net(photos).detach().double()
    assert torch.allclose(path.logits[:, 1], own, atol=1e-5)
    assert torch.allclose(path.logits[:, 0], own, atol=1e-5)
    assert path.updates[:, 1].abs().max() == 0
    assert path.updates[:, 0].min() > 0
    early = net.module.head(net.module.embed((photos - 0.5) / 0.25)[:, 0])
    with torch.no_grad():
        net.module.blocks[0].out_proj.weight.zero_()
        net.module.blocks[0].out_proj.bias.zero_()
    assert torch.allclose(token_path(net, photos, ends, grid).logits[:, 0], early.double().detach(), atol=1e-5)


def test_the_report_has_every_head_with_pictures_of_its_grid_and_goes_through_json(photos):
    net = tokens_net()
    found, album = attention_report(net, photos, list("abcd"), shown=2)
    assert (found.heads, found.tokens, found.rows, found.columns, found.patch, found.n) == (2, 17, 4, 4, (4, 4), 4)
    assert [(each.layer, each.head) for each in found.reach] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(0 < each.distance.low < each.distance.high for each in found.reach)
    assert found.path[-1].agrees.value == 1
    assert found.path[-1].probability.value == pytest.approx(
        float(net(photos).detach().softmax(1).amax(1).mean()), abs=1e-5
    )
    assert [each.image for each in found.images] == ["a", "b"]
    assert found.images[0].guesses[-1] == net.classes[int(net(photos[:1]).argmax())]
    for image in found.images:
        assert Image.open(io.BytesIO(album[image.picture])).size == (58, 58)
    assert found.positions.parameter == "pos_embed"
    assert Image.open(io.BytesIO(album[found.positions.picture])).size == (118, 118)
    assert found.patches.shape == (8, 3, 4, 4)
    assert set(album) == {
        *(each.picture for each in found.images),
        *(each.input_picture for each in found.images),
        found.positions.picture,
        found.patches.picture,
    }
    assert found.residual.value < 1e-5
    assert not found.left_out
    assert dumps(found)
    assert from_json(to_json(found), Attended) == found


def test_the_report_of_an_image_does_not_depend_on_the_others_and_memory(photos):
    net = tokens_net()
    whole = attention_report(net, photos, list("abcd"), memory=1)[0]
    alone = [attention_report(net, photos[i : i + 1], ["x"])[0] for i in range(4)]
    for place, each in enumerate(whole.reach):
        mean = np.mean([one.reach[place].distance.value for one in alone])
        assert each.distance.value == pytest.approx(mean, abs=1e-4)
    assert [each.guesses for each in whole.images] == [one.images[0].guesses for one in alone]
    assert "one image" in alone[0].reach[0].distance.why


def test_what_a_net_does_not_have_is_left_out_with_the_reason(photos):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, images):
            tokens = self.cut(images).flatten(2).permute(0, 2, 1)
            return self.head(self.attend(tokens, tokens, tokens)[0].mean(1))

    found, album = attention_report(Net(Bare()), photos, list("abcd"))
    assert found.positions is None
    assert not found.path
    assert found.read == tuple(range(16))
    assert len(found.left_out) == 2
    assert "positions.png" not in album


def test_positions_of_torchvision_timm_and_our_own_are_found():
    import timm
    import torchvision

    options = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 5}
    vit = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
    )
    nets = {
        "pos_embed": Net(timm.create_model("vit_tiny_patch16_224", **options)),
        "encoder.pos_embedding": Net(vit),
        "positions": load_net("striate/vit_tiny.random"),
    }
    for name, net in nets.items():
        grid = token_grid(net, (32, 32))
        path, rows = position_embedding(net, grid)
        assert path == name
        assert rows.shape == (grid.rows * grid.columns, grid.width)


def test_names_that_do_not_fit_and_nets_without_attention_are_refused(net, photos):
    with pytest.raises(StriateError, match="3 names for 4 images"):
        attention_report(tokens_net(), photos, list("abc"))
    with pytest.raises(StriateError, match="no attention"):
        attention_report(net, photos, list("abcd"))
