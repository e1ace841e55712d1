"""Laws over every registered attribution method."""

from __future__ import annotations

import pytest
import torch

from inside.tokens import tokens_net
from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.inside.attribution import METHODS
from striate.nets.net import Net
from striate.nets.passes import counting

# Rules are defined at operations; of attention and layer normalisation they say nothing.
REFUSE_TRANSFORMERS = {"guided_backprop", "deconvnet", "guided_grad_cam", "deep_lift"} | {
    name for name in METHODS if name.startswith("lrp")
}
TARGETS = torch.tensor([0, 3, 1, 4])
FEW = {  # what would take long as it is by default
    "rise": {"samples": 200},
    "extremal_perturbation": {"steps": 24},
    "expected_gradients": {"samples": 40},
    "smooth_grad": {"samples": 20},
    "var_grad": {"samples": 20},
}


OF_TRANSFORMERS = ("attention_rollout", "gradient_attention")
WITHOUT_TARGET = ("attention_rollout",)


def run(method, net, images, targets=TARGETS, **options):
    return METHODS.load(method)(net, images, targets, **(FEW.get(method, {}) | options))


@pytest.fixture(params=list(METHODS))
def method(request):
    return request.param


@pytest.fixture
def net(request, net):
    """The small classifier, or for methods that look at attention a small transformer."""
    if "method" in request.fixturenames and request.getfixturevalue("method") in OF_TRANSFORMERS:
        return tokens_net()
    return net


def test_maps_are_finite_in_input_pixels_with_units_and_a_check_that_holds(method, net, photos):
    maps = run(method, net, photos)
    assert maps.values.shape in {(4, 16, 16), (4, 3, 16, 16)}
    assert maps.values.dtype == torch.float32
    assert maps.values.isfinite().all()
    assert maps.values.any()
    assert maps.units
    assert len(maps.checks) == 4
    for check in maps.checks:
        assert check.holds
        assert check.residual.value <= check.bound


def test_alone_or_in_a_batch_an_image_has_the_same_map(method, net, photos):
    together = run(method, net, photos).values
    for i in range(4):
        alone = run(method, net, photos[i : i + 1], TARGETS[i : i + 1]).values[0]
        assert (alone - together[i]).abs().max() <= 1e-5 * together[i].abs().max()


def test_a_small_memory_budget_changes_nothing_but_the_chunks(method, net, photos):
    whole, small = run(method, net, photos), run(method, net, photos, memory=1)
    assert (whole.values - small.values).abs().max() <= 1e-5 * whole.values.abs().max()


def test_the_same_call_gives_the_same_bits(method, net, photos):
    assert run(method, net, photos).values.equal(run(method, net, photos).values)


def test_the_map_belongs_to_the_target(method, net, photos):
    first, second = (run(method, net, photos[:1], torch.tensor([target])).values for target in (0, 1))
    if method in WITHOUT_TARGET:
        assert first.equal(second)
        return
    assert not torch.allclose(first, second, atol=1e-3 * float(first.abs().max()))


def test_the_net_is_left_bit_for_bit_as_found(method, net, photos):
    net.train()
    net.module.drop.eval()
    net.module.conv1.weight.requires_grad_(False)
    net.module.conv2.weight.grad = torch.full_like(net.module.conv2.weight, 3.0)
    kept, before = net.module.conv2.weight.grad, {name: each.clone() for name, each in net.state_dict().items()}
    pixels, state = photos.clone(), torch.get_rng_state()
    modes = [each.training for each in net.modules()]
    hooks = sum(len(each._forward_hooks) + len(each._backward_hooks) for each in net.modules())
    run(method, net, photos)
    after = net.state_dict()
    assert all(after[name].equal(value) for name, value in before.items())
    assert [each.training for each in net.modules()] == modes
    assert net.module.conv2.weight.grad is kept
    assert (kept == 3).all()
    assert [name for name, each in net.named_parameters() if each.grad is not None] == ["module.conv2.weight"]
    assert not net.module.conv1.weight.requires_grad
    assert sum(len(each._forward_hooks) + len(each._backward_hooks) for each in net.modules()) == hooks
    assert photos.equal(pixels)
    assert torch.get_rng_state().equal(state)


def test_dropout_is_off_even_where_the_net_is_in_training_mode(method, net, photos):
    calm = run(method, net, photos).values
    net.train()
    assert torch.allclose(run(method, net, photos).values, calm, rtol=1e-4, atol=1e-7)


def test_grey_images_of_28_pixels_work(method):
    if method in OF_TRANSFORMERS:
        net = tokens_net(channels=1, side=28)
        maps = run(method, Net(net.module, mean=0.3, std=0.3), torch.rand(2, 1, 28, 28), torch.tensor([1, 2]))
        assert maps.values.shape[-2:] == (28, 28)
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [torch.nn.Conv2d(1, 6, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Conv2d(6, 8, 5)]
        parts += [torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10)]
        images = torch.rand(2, 1, 28, 28)
    longer = {"steps": 32} if method == "extremal_perturbation" else {}  # a net that learnt nothing wants more of them
    maps = run(method, Net(torch.nn.Sequential(*parts), mean=0.3, std=0.3), images, torch.tensor([1, 2]), **longer)
    assert maps.values.shape[-2:] == (28, 28)
    assert all(check.holds for check in maps.checks)


@pytest.mark.parametrize("name", list(METHODS))
def test_vision_transformers_work_or_are_refused_by_name(name):
    from torchvision.models import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
        )
        torch.nn.init.normal_(model.heads.head.weight)
        images = torch.rand(2, 3, 32, 32)
    if name in REFUSE_TRANSFORMERS:
        with pytest.raises(StriateError, match=r"ln_1 of vit is a layer normalisation.*gradient, occlusion"):
            run(name, Net(model, name="vit"), images, torch.tensor([1, 2]))
        return
    maps = run(name, Net(model, name="vit"), images, torch.tensor([1, 2]))
    assert all(check.holds for check in maps.checks)
    assert maps.values.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("gradient", 7, 1),
        ("guided_backprop", 1, 1),
        ("deconvnet", 1, 1),
        ("guided_grad_cam", 8, 2),
        ("deep_lift", 2, 2),
        ("grad_cam", 7, 1),
        ("grad_cam_plus_plus", 7, 1),
        ("hires_cam", 7, 1),
        ("layer_cam", 7, 1),
        ("occlusion", 229, 0),
        ("gradient_x_input", 7, 1),
        ("smooth_grad", 20, 20),
        ("var_grad", 20, 20),
        ("integrated_gradients", 52, 50),
        ("rise", 200, 0),
    ],
)
def test_passes_are_those_that_the_docstring_states(name, forward, backward, net, photos):
    net.sites((16, 16))
    with counting() as passes:
        run(name, net, photos)
    assert (passes.forward, passes.backward) == (4 * forward, 4 * backward)


def test_every_method_has_a_summary_and_a_citation(method):
    entry = METHODS[method]
    assert entry.summary
    assert [cite(key).bibtex for key in entry.cites]
