"""Grad-CAM: the paper's equations in slow float64, CAM's closed form, which layer, and a check that can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from oracles import inside_convolution as slow
from striate.core.errors import StriateError, UnknownNameError
from striate.inside.attribution.grad_cam import grad_cam
from striate.inside.attribution.layers import default_layer, spatial_layer
from striate.nets.net import Net


class Layered(nn.Module):
    """The network of the oracle, with functional operations."""

    def __init__(self):
        super().__init__()
        self.conv, self.next = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.linear = nn.Linear(2 * 3 * 4, 3)

    def forward(self, images):
        maps = torch.tanh(F.avg_pool2d(F.relu(self.conv(images), inplace=True), 2))
        return self.linear(F.relu(self.next(maps)).flatten(1))


def weights_of(module):
    names = {"conv": "conv.weight", "conv_bias": "conv.bias", "next": "next.weight", "next_bias": "next.bias"}
    names |= {"linear": "linear.weight", "linear_bias": "linear.bias"}
    state = module.state_dict()
    return {name: state[key].double().numpy() for name, key in names.items()}


def test_equals_the_papers_equations_in_slow_float64():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, images = Layered(), torch.rand(2, 1, 6, 8)
        module.conv.weight.data *= 3
    net = Net(module)
    site = next(each.name for each in net.sites((6, 8)) if each.op == "tanh")
    maps = grad_cam(net, images, torch.tensor([2, 0]), layer=site)
    weights = weights_of(module)
    for image, target, found in zip(images, (2, 0), maps.values, strict=True):
        picture = image.double().numpy()
        assert np.allclose(slow.scores(picture, weights), net(image[None])[0].detach().numpy(), atol=1e-5)
        expected = slow.grad_cam(picture, weights, target, (6, 8))
        assert expected.max() > 1e-3
        assert np.abs(found.double().numpy() - expected).max() < 1e-5 * expected.max()
    assert all(check.holds for check in maps.checks)
    assert maps.layer == site


def test_with_pooling_and_one_linear_layer_it_is_cam(net, photos):
    targets = torch.tensor([0, 1, 2, 3])
    maps = grad_cam(net, photos, targets)
    assert maps.layer == "relu#1"
    with torch.no_grad(), net.look(read=["relu#1"]) as look:
        values = look(photos)["relu#1"]
    weights = 5 * net.module.head.weight.detach()[targets] / 64
    cam = torch.einsum("nk,nkhw->nhw", weights, values).relu()
    expected = F.interpolate(cam[:, None], size=(16, 16), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(maps.values, expected, atol=1e-6)
    assert max(check.residual.value for check in maps.checks) < 1e-3


def test_any_site_may_be_asked_for_by_name(net, photos):
    maps = grad_cam(net, photos[:1], torch.tensor([0]), layer="conv1")
    assert maps.layer == "conv1"
    assert maps.checks[0].holds


def test_an_unknown_layer_names_the_nearest(net, photos):
    with pytest.raises(UnknownNameError, match=r"'cov2'.*conv2"):
        grad_cam(net, photos[:1], torch.tensor([0]), layer="cov2")


def test_a_layer_without_extent_is_refused_with_its_shape(net, photos):
    with pytest.raises(StriateError, match=r"'head' has no maps.*\(5,\)"):
        grad_cam(net, photos[:1], torch.tensor([0]), layer="head")


def test_a_layer_with_channels_last_is_refused():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 40, 1), nn.Linear(40, 2)

        def forward(self, images):
            return self.linear(torch.sigmoid(self.conv(images).permute(0, 2, 3, 1))).mean((1, 2))

    net = Net(Turned(), classes=2)
    with pytest.raises(StriateError, match="proportions"):
        spatial_layer(net, (12, 12), "sigmoid")


def test_a_net_without_maps_is_refused_with_what_to_try():
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2)), channels=3, name="mlp")
    with pytest.raises(StriateError, match=r"mlp has no layer with maps.*occlusion"):
        grad_cam(net, torch.rand(1, 3, 2, 2), torch.tensor([0]))


def test_a_layer_that_the_output_does_not_depend_on_is_said():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.aside, self.linear = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, images):
            self.aside(images)
            return self.linear(self.conv(images).mean((2, 3)))

    with pytest.raises(StriateError, match="does not depend on aside"):
        grad_cam(Net(Aside()), torch.rand(1, 3, 4, 4), torch.tensor([0]), layer="aside")


class Bent(torch.autograd.Function):
    """Doubles; its backward forgets to."""

    @staticmethod
    def forward(ctx, values):
        return 2 * values

    @staticmethod
    def backward(ctx, slopes):
        return slopes


def test_the_check_fails_where_the_backward_behind_the_layer_is_wrong(photos):
    class Broken(nn.Module):
        """Channels that speak for and against the class in equal parts, so that what they say together is nothing."""

        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
            self.conv.weight.data[:] = 0.1
            self.conv.bias.data[:] = 0.1
            self.linear.weight.data[:] = torch.tensor([1.0, -1, 1, -1])

        def forward(self, images):
            return self.linear(Bent.apply(self.conv(images).relu().mean((2, 3))))

    maps = grad_cam(Net(Broken()), photos[:2], torch.tensor([0, 1]), layer="conv")
    assert not any(check.holds for check in maps.checks)


def test_by_default_a_branch_beside_which_others_go_on_is_passed_over():
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.branch, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(8, 2)

        def forward(self, images):
            maps = self.stem(images).relu()
            return self.head(torch.cat([maps.mean((2, 3)), self.branch(maps).mean((2, 3))], 1))

    assert default_layer(Net(Forked()), (12, 12)).name == "relu"


MODELS = {
    "resnet18": "layer4.1.relu#1",
    "vgg11": "features.19",  # the ReLU behind the last convolution, not the pooling behind it
    "squeezenet1_0": "features.12.cat",
    "googlenet": "inception5b.cat",
    "mobilenet_v2": "features.18.2",
    "densenet121": "relu",
}


def built(name, **options):
    options |= {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, num_classes=7, **options)


@pytest.mark.parametrize("name", MODELS)
def test_default_layer_is_the_last_one_of_the_feature_extractor(name):
    assert default_layer(Net(built(name), name=name), (64, 64)).name == MODELS[name]


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_functional_and_reused_relus_are_no_obstacle(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(built(name).eval(), name=name, mean=0.5, std=0.25)
        images = torch.rand(1, 3, 64, 64)
    for layer in (None, "conv1" if name == "resnet18" else "conv1.relu"):
        maps = grad_cam(net, images, torch.tensor([3]), layer=layer)
        assert maps.values.shape == (1, 64, 64)
        assert maps.checks[0].holds


def test_in_a_vision_transformer_the_patches_may_be_asked_for():
    model = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
    )
    nn.init.normal_(model.heads.head.weight)
    net = Net(model, name="vit")
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with pytest.raises(StriateError, match=r"tokens.*--layer conv_proj"):
        default_layer(net, (32, 32))
    assert grad_cam(net, images, torch.tensor([0]), layer="conv_proj").checks[0].holds
