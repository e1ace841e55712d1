"""Laws that hold for every network: own ones, and small members of torchvision's and timm's families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nets.own_small import ALL, small
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.undisturbed import undisturbed

# Name and side of the images; 0 stands for the side that an own net is built for.
LAW_SET: dict[str, int] = {
    **{name: side or 0 for name, side in map(small, ALL)},
    "torchvision/squeezenet1_1": 64,
    "torchvision/resnet18": 64,
    "torchvision/mobilenet_v2": 64,
    "torchvision/mobilenet_v3_small": 64,
    "torchvision/shufflenet_v2_x0_5": 64,
    "torchvision/googlenet": 64,
    "torchvision/densenet121": 64,
    "torchvision/efficientnet_b0": 64,
    "timm/resnet10t": 64,
    "timm/convnext_atto": 64,
    "timm/vit_tiny_patch16_224": 224,
}
NAMES = list(LAW_SET)


@cache
def _net(name: str) -> Net:
    size = LAW_SET[name] or None if name.startswith("striate/") else None
    net = load_net(f"{name}.random", classes=7, size=size)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(3)
        for module in net.modules():  # running statistics that are not the trivial ones
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.7, 1.3)
    return net


def _images(name: str, count: int = 2) -> Tensor:
    net = _net(name)
    height, width = (LAW_SET[name],) * 2 if LAW_SET[name] else net.a_size()
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, net.channels, height, width, generator=generator)


def _size(name: str) -> tuple[int, int]:
    height, width = _images(name, 1).shape[2:]
    return height, width


def _some(items: Sequence[Any], count: int = 6) -> list[Any]:
    step = max(1, len(items) // count)
    return list(items[::step])


@contextmanager
def _untouched(net: Net) -> Iterator[None]:
    """Holds the net to its state before, bit for bit."""
    torch.manual_seed(1)
    modules = list(net.modules())
    for index, module in enumerate(modules):  # modes and gradients that a careless look would lose
        module.training = index % 3 == 0
    parameters = list(net.parameters())
    for index, each in enumerate(parameters):
        each.requires_grad_(index % 2 == 0)
        each.grad = torch.full_like(each, float(index)) if index % 5 == 0 else None
    before = {name: tensor.clone() for name, tensor in net.state_dict(keep_vars=False).items()}
    modes = [module.training for module in modules]
    flags = [(each.requires_grad, id(each), id(each.grad)) for each in parameters]
    gradients = [None if each.grad is None else each.grad.clone() for each in parameters]
    hooks = [(len(each._forward_hooks), len(each._forward_pre_hooks), len(each._backward_hooks)) for each in modules]
    try:
        yield
    finally:
        after = net.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert [module.training for module in modules] == modes
        assert [(each.requires_grad, id(each), id(each.grad)) for each in parameters] == flags
        for each, gradient in zip(parameters, gradients, strict=True):
            assert gradient is None or torch.equal(each.grad, gradient)
        assert [
            (len(each._forward_hooks), len(each._forward_pre_hooks), len(each._backward_hooks)) for each in modules
        ] == hooks
        assert not nn.modules.module._global_forward_hooks
        assert not nn.modules.module._global_forward_pre_hooks
        net.eval()
        for each in parameters:
            each.requires_grad_(True)
            each.grad = None


class _True:
    """The gradient as autograd has it."""

    def refuses(self, site: Site) -> str | None:
        return None

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        return torch.autograd.grad(output, inputs, grad, retain_graph=True, allow_unused=True)


def _read(net: Net, name: str, images: Tensor) -> None:
    with net.look(read=[site.name for site in net.sites(_size(name))], stop=False) as see:
        see(images.requires_grad_()).output.sum().backward()


def _edit(net: Net, name: str, images: Tensor) -> None:
    edits = {site.name: lambda _, output, __: output * 1.1 for site in _some(net.sites(_size(name)))}
    with net.look(edits=edits) as see:
        see(images)


def _rule(net: Net, name: str, images: Tensor) -> None:
    rules = {site.name: _True() for site in _some(net.sites(_size(name)))}
    with net.look(rules=rules) as see:
        see(images.requires_grad_()).output.sum().backward()


def _sites(net: Net, name: str, images: Tensor) -> None:
    net._traces.clear()
    net.sites(_size(name))


def _plain(net: Net, name: str, images: Tensor) -> None:
    with undisturbed(net):
        net(images.requires_grad_()).sum().backward()


@pytest.mark.parametrize("use", [_read, _edit, _rule, _sites, _plain])
@pytest.mark.parametrize("name", NAMES)
def test_a_net_is_left_bit_for_bit_as_it_was_found(name: str, use: Callable[[Net, str, Tensor], None]) -> None:
    net = _net(name)
    generator = torch.get_rng_state()
    with _untouched(net):
        generator = torch.get_rng_state()
        use(net, name, _images(name))
        assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("name", NAMES)
def test_a_net_is_left_as_it_was_found_after_an_exception_inside(name: str) -> None:
    net = _net(name)
    middle = net.sites(_size(name))[len(net.sites(_size(name))) // 2].name

    def fail(site: Site, output: Tensor, rows: Tensor) -> Tensor:
        raise ZeroDivisionError(site.name)

    with _untouched(net), pytest.raises(ZeroDivisionError), net.look(edits={middle: fail}) as see:
        see(_images(name))


@pytest.mark.parametrize("name", NAMES)
def test_reading_everything_shows_what_plain_hooks_see_and_changes_nothing(name: str) -> None:
    net, images = _net(name), _images(name)
    seen_by_hooks: dict[str, Tensor] = {}

    def keep(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            seen_by_hooks.setdefault(path, output.clone())

        return hook

    leaves = {path: each for path, each in net.module.named_modules() if path and not list(each.children())}
    handles = [each.register_forward_hook(keep(path)) for path, each in leaves.items()]
    with torch.no_grad(), undisturbed(net):
        plain = net(images)
    for handle in handles:
        handle.remove()
    names = [site.name for site in net.sites(_size(name))]
    with torch.no_grad(), net.look(read=names, stop=False) as see:
        seen = see(images)
    assert torch.equal(seen.output, plain)
    shared = [path for path in seen_by_hooks if path in names]
    assert shared
    for path in shared:
        torch.testing.assert_close(seen[path], seen_by_hooks[path], rtol=1e-6, atol=1e-6, msg=path)


@pytest.mark.parametrize("name", NAMES)
def test_an_identity_as_edit_changes_nothing(name: str) -> None:
    net, images = _net(name), _images(name)
    edits = {site.name: lambda _, output, __: output for site in net.sites(_size(name))}
    with torch.no_grad(), undisturbed(net):
        plain = net(images)
        with net.look(edits=edits) as see:
            assert torch.equal(see(images).output, plain)


@pytest.mark.parametrize("name", NAMES)
def test_the_true_gradient_as_rule_changes_nothing(name: str) -> None:
    net, images = _net(name), _images(name).requires_grad_()
    with undisturbed(net):
        plain = net(images)
        (wanted,) = torch.autograd.grad(plain[:, 1].sum(), images)
    rules = {site.name: _True() for site in net.sites(_size(name))}
    with net.look(rules=rules) as see:
        output = see(images).output
        (found,) = torch.autograd.grad(output[:, 1].sum(), images)
    torch.testing.assert_close(output, plain, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


class _Counts(TorchFunctionMode):
    """Counts calls of rectifiers by any of their names."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        six = name in ("hardtanh", "hardtanh_") and (kwargs or {}).get("max_val", [*args, 0][2:3]) in (6.0, [6.0])
        self.count += name.strip("_") in ("relu", "relu6") or six
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", NAMES)
def test_every_relu_is_caught_and_none_twice(name: str) -> None:
    net, images = _net(name), _images(name)
    counts = _Counts()
    with torch.no_grad(), undisturbed(net), counts:
        net(images)
    rectifiers = [site for site in net.sites(_size(name)) if site.op in ("relu", "relu6")]
    calls = []

    def note(site: Site, output: Tensor, rows: Tensor) -> Tensor:
        calls.append(site.name)
        assert float(output.min()) >= 0
        return output

    with torch.no_grad(), net.look(edits={site.name: note for site in rectifiers}) as see:
        see(images)
    assert len(rectifiers) == counts.count
    assert calls == [site.name for site in rectifiers]


@pytest.mark.parametrize("name", NAMES)
def test_sites_are_the_same_each_time_and_their_names_differ(name: str) -> None:
    net = _net(name)
    first = net.sites(_size(name))
    net._traces.clear()
    assert net.sites(_size(name)) == first
    assert len({site.name for site in first}) == len(first)
    known = {"input"}
    for site in first:
        assert set(site.inputs) <= known, site
        known.add(site.name)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_the_sites_add_up_to_those_of_the_net(name: str) -> None:
    net = _net(name)
    assert sum(site.parameters for site in net.sites(_size(name))) == sum(each.numel() for each in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_same_logits_alone_and_in_a_batch(name: str) -> None:
    net, images = _net(name), _images(name, 3)
    with torch.no_grad(), undisturbed(net):
        together, alone = net(images), torch.cat([net(image[None]) for image in images])
    assert float((together - alone).abs().max()) <= 1e-5 * float(together.abs().max().clamp_min(1.0))


@pytest.mark.parametrize("name", NAMES)
def test_stopping_early_reads_the_same(name: str) -> None:
    net, images = _net(name), _images(name)
    sites = net.sites(_size(name))
    middle = sites[len(sites) // 2].name
    with torch.no_grad(), net.look(read=[middle]) as see:
        early = see(images)[middle]
    with torch.no_grad(), net.look(read=[middle], stop=False) as see:
        assert torch.equal(see(images)[middle], early)
