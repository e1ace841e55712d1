"""Class activation maps: slow float64 from the papers, closed forms, tokens as places, checks that can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from oracles import inside_cams as slow
from oracles.inside_convolution import convolve
from striate.core.errors import StriateError
from striate.inside.attribution.ablation_cam import ablation_cam
from striate.inside.attribution.grad_cam import grad_cam
from striate.inside.attribution.grad_cam_plus_plus import grad_cam_plus_plus
from striate.inside.attribution.hires_cam import hires_cam
from striate.inside.attribution.layer_cam import layer_cam
from striate.inside.attribution.score_cam import score_cam
from striate.nets.net import Net
from striate.nets.passes import counting

CAMS = {each.__name__: each for each in (grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, score_cam, ablation_cam)}
MEAN = 0.45


class Layered(nn.Module):
    """The network of the oracle; it undoes the normalisation of its net first."""

    def __init__(self):
        super().__init__()
        self.conv, self.next = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.linear = nn.Linear(2 * 3 * 4, 3)

    def forward(self, images):
        maps = torch.tanh(F.avg_pool2d(F.relu(self.conv(images + MEAN), inplace=True), 2))
        return self.linear(F.relu(self.next(maps)).flatten(1))


@pytest.fixture(scope="module")
def layered():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, images = Layered(), torch.rand(2, 1, 6, 8)
    module.conv.weight.data *= 3
    module.conv.bias.data += 0.3
    names = {"conv": "conv.weight", "conv_bias": "conv.bias", "next": "next.weight", "next_bias": "next.bias"}
    names |= {"linear": "linear.weight", "linear_bias": "linear.bias"}
    state = module.state_dict()
    return Net(module, mean=MEAN), images, {name: state[key].double().numpy() for name, key in names.items()}


@pytest.mark.parametrize("name", ["hires_cam", "layer_cam", "ablation_cam", "score_cam"])
def test_equals_the_papers_equations_in_slow_float64(name, layered):
    net, images, weights = layered
    site = next(each.name for each in net.sites((6, 8)) if each.op == "tanh")
    targets = (2, 0)
    maps = CAMS[name](net, images, torch.tensor(targets), layer=site)
    options = {"hidden": MEAN} if name == "score_cam" else {}
    for image, target, found in zip(images, targets, maps.values, strict=True):
        expected = getattr(slow, name)(image.double().numpy(), weights, target, (6, 8), **options)
        assert np.abs(expected).max() > 1e-3
        assert np.abs(found.double().numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    assert all(check.holds for check in maps.checks)
    assert maps.signed == (name == "hires_cam")


def test_grad_cam_plus_plus_has_the_alphas_of_the_derivatives_of_exp():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        conv, linear, image = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(36, 2), torch.rand(1, 1, 3, 4)
    conv.bias.data += 0.3
    linear.weight.data *= 3
    net = Net(nn.Sequential(conv, nn.ReLU(), nn.Flatten(), linear))
    found = grad_cam_plus_plus(net, image, torch.tensor([1]), layer="1").values[0].double().numpy()
    weight, bias = (each.detach().double().numpy() for each in (conv.weight, conv.bias))
    maps = np.maximum(convolve(image[0].double().numpy(), weight, bias), 0)
    row = linear.weight[1].detach().double().numpy()
    expected = slow.plus_plus(maps, lambda each: row @ each.reshape(-1) + linear.bias[1].item())
    assert expected.max() > 0.1
    assert np.abs(found - expected).max() < 1e-4 * expected.max()


def test_with_pooling_and_one_linear_layer_hires_cam_is_cam_and_sums_up_to_the_logit(net, photos):
    targets = torch.tensor([0, 1, 2, 3])
    maps = hires_cam(net, photos, targets)
    with torch.no_grad(), net.look(read=["relu#1", "output"]) as look:
        seen = look(photos)
        cam = torch.einsum("nk,nkhw->nhw", 5 * net.module.head.weight[targets] / 64, seen["relu#1"])
    expected = F.interpolate(cam[:, None], size=(16, 16), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(maps.values, expected, atol=1e-6)
    logits = seen.output[range(4), targets] - 5 * net.module.head.bias.detach()[targets]
    assert torch.allclose(64 * maps.values.mean(dim=(1, 2)), logits, atol=1e-5)


def test_with_pooling_and_one_linear_layer_ablation_cam_weighs_by_means(net, photos):
    targets = torch.tensor([0, 1, 2, 3])
    found = ablation_cam(net, photos, targets)
    with torch.no_grad(), net.look(read=["relu#1"]) as look:
        values = look(photos)["relu#1"]
        worth = 5 * net.module.head.weight[targets] * values.mean((2, 3))
    maps = torch.einsum("nk,nkhw->nhw", worth, values).relu()
    expected = F.interpolate(maps[:, None], size=(16, 16), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(found.values, expected, atol=1e-5)


@pytest.mark.parametrize("name", CAMS)
def test_without_a_check_maps_are_the_same_and_say_so(name, net, photos):
    checked, plain = (CAMS[name](net, photos[:2], torch.tensor([0, 1]), check=check) for check in (True, False))
    assert checked.values.equal(plain.values)
    assert len(plain.checks) == 2
    assert plain.checks[0].residual.value is None
    assert "not asked for" in plain.checks[0].residual.why
    assert plain.checks[0].holds is None


@pytest.mark.parametrize(("name", "more"), [("score_cam", 7), ("ablation_cam", 4)])
def test_each_channel_that_is_not_flat_costs_a_pass(name, more, net, photos):
    with torch.no_grad(), net.look(read=["relu#1"]) as look:
        values = look(photos[:1])["relu#1"][0].flatten(1)
    alive = int((values.amax(1) > values.amin(1)).sum())
    with counting() as passes:
        CAMS[name](net, photos[:1], torch.tensor([0]))
    assert 0 < alive < 12
    assert (passes.forward, passes.backward) == (alive + more, 0)


@pytest.mark.parametrize("name", CAMS)
def test_a_layer_without_extent_is_refused_with_its_shape(name, net, photos):
    with pytest.raises(StriateError, match=r"'head' has no maps.*\(5,\)"):
        CAMS[name](net, photos[:1], torch.tensor([0]), layer="head")


def test_a_layer_of_zeros_gives_a_map_of_zeros_that_holds(photos):
    conv = nn.Conv2d(3, 4, 3)
    conv.bias.data[:] = -9
    net = Net(nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    for method in CAMS.values():
        maps = method(net, photos[:1], torch.tensor([0]), layer="1")
        assert not maps.values.any()
        assert maps.checks[0].holds


@pytest.mark.parametrize("name", ["score_cam", "ablation_cam"])
def test_a_net_that_changes_from_pass_to_pass_fails_the_check(name, photos):
    class Restless(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
            self.generator = torch.Generator().manual_seed(0)

        def forward(self, images):
            means = self.conv(images).relu().mean((2, 3))
            return self.linear(means) + torch.randn((len(images), 2), generator=self.generator)

    assert not CAMS[name](Net(Restless()), photos[:1], torch.tensor([0]), layer="relu").checks[0].holds


def vit(classes=5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = torchvision.models.VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=classes
        )
        nn.init.normal_(model.heads.head.weight)
        return Net(model.eval(), name="vit"), torch.rand(2, 3, 32, 32)


@pytest.mark.parametrize("name", CAMS)
def test_tokens_of_a_transformer_are_places_of_its_grid(name):
    net, images = vit()
    maps = CAMS[name](net, images, torch.tensor([1, 2]))
    assert maps.layer == "encoder.layers.encoder_layer_1.ln_1"
    assert maps.values.shape == (2, 32, 32)
    assert all(check.holds for check in maps.checks)
    again = CAMS[name](net, images, torch.tensor([1, 2]), layer="encoder.layers.encoder_layer_0.add#1")
    assert all(check.holds for check in again.checks)


def test_tokens_are_weighed_as_the_equations_say_without_the_class_token():
    net, images = vit()
    maps = hires_cam(net, images, torch.tensor([1, 2]), layer="encoder.layers.encoder_layer_0.add#1")
    with net.look(read=["encoder.layers.encoder_layer_0.add#1", "output"]) as look:
        seen = look(images.requires_grad_())
    tokens = seen["encoder.layers.encoder_layer_0.add#1"]
    (slopes,) = torch.autograd.grad(seen.output[0, 1] + seen.output[1, 2], tokens)
    worth = (tokens * slopes).sum(2)[:, 1:].detach().reshape(2, 1, 4, 4)
    expected = F.interpolate(worth, size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(maps.values, expected, atol=1e-6)


def test_tokens_that_are_merged_on_the_way_are_refused_with_the_layer_that_does_it():
    import timm

    options = {"img_size": 32, "window_size": 4, "depths": (2, 2), "embed_dim": 24, "num_heads": (2, 4)}
    net = Net(timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **options).eval(), name="swin")
    with pytest.raises(StriateError, match=r"swin merges its 64 tokens: layers\.1.*gradient"):
        grad_cam(net, torch.rand(1, 3, 32, 32), torch.tensor([0]))
