from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.nets.site import Site


class Tricky(nn.Module):
    """A re-used ReLU that writes in place, functional and in-place operations, a residual, a strided shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        kept = x
        x = self.conv2(x)
        x += kept
        self.relu(x)  # the answer is not used: the tensor itself is
        x = x - 0.1
        x.mul_(2.0)
        x = F.relu(x, True) - 0.2
        return self.head(x[:, :, ::2, ::2].relu_())


def _net() -> Net:
    torch.manual_seed(0)
    return Net(Tricky(), mean=0.5, std=0.25, size=8, name="tricky")


NAMES = ["conv1", "relu", "conv2", "add", "relu#1", "sub", "mul", "relu()", "sub#1", "relu()#1", "head.0", "head.1"]


def _by_hand(net: Net, images: Tensor) -> dict[str, Tensor]:
    module = net.module
    values = {"conv1": module.conv1((images - 0.5) / 0.25)}
    values["relu"] = values["conv1"].relu()
    values["conv2"] = module.conv2(values["relu"])
    values["add"] = values["conv2"] + values["relu"]
    values["relu#1"] = values["add"].relu()
    values["sub"] = values["relu#1"] - 0.1
    values["mul"] = 2 * values["sub"]
    values["relu()"] = values["mul"].relu()
    values["sub#1"] = values["relu()"] - 0.2
    values["relu()#1"] = values["sub#1"][:, :, ::2, ::2].relu()
    values["head.0"] = values["relu()#1"].flatten(1)
    values["head.1"] = module.head[1](values["head.0"])
    return values


def test_every_operation_is_a_site_in_order() -> None:
    assert [site.name for site in _net().sites()] == NAMES
    assert [site.op for site in _net().sites()][-3:] == ["relu", "flatten", "linear"]


def test_reading_gives_what_the_net_computes_though_it_overwrites_it() -> None:
    net, images = _net(), torch.rand(3, 3, 8, 8)
    wanted = _by_hand(net, images)
    with net.look(read=NAMES) as see:
        seen = see(images)
    for name in NAMES:
        torch.testing.assert_close(seen[name], wanted[name], msg=name)


@pytest.mark.parametrize("site", [*NAMES])
def test_reading_one_site_leaves_the_output_and_its_gradient_as_they_are(site: str) -> None:
    net, images = _net(), torch.rand(3, 3, 8, 8, requires_grad=True)
    wanted = _by_hand(net, images)
    with net.look(read=[site], stop=False) as see:
        seen = see(images)
        torch.testing.assert_close(seen.output, wanted["head.1"])
        torch.testing.assert_close(seen[site], wanted[site])
        ours = torch.autograd.grad(seen.output[:, 2].sum(), [images, seen[site]])
    theirs = torch.autograd.grad(wanted["head.1"][:, 2].sum(), [images, wanted[site]])
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("site", NAMES)
def test_an_edit_is_what_the_net_goes_on_with(site: str) -> None:
    net, images = _net(), torch.rand(3, 3, 8, 8)

    def double(place: Site, output: Tensor, rows: Tensor) -> Tensor:
        assert place.name == site
        assert rows.tolist() == [4, 5, 6]
        return output * 2 + 1

    with net.look(read=[site, "head.1"], edits={site: double}) as see:
        seen = see(images, torch.tensor([4, 5, 6]))
    values = {}
    last = None
    module = net.module

    def go(name: str, value: Tensor) -> Tensor:
        values[name] = value * 2 + 1 if name == site else value
        return values[name]

    last = go("conv1", module.conv1((images - 0.5) / 0.25))
    kept = go("relu", last.relu())
    last = go("add", go("conv2", module.conv2(kept)) + kept)
    last = go("mul", 2 * go("sub", go("relu#1", last.relu()) - 0.1))
    last = go("sub#1", go("relu()", last.relu()) - 0.2)
    last = go("head.1", module.head[1](go("head.0", go("relu()#1", last[:, :, ::2, ::2].relu()).flatten(1))))
    torch.testing.assert_close(seen[site], values[site])
    torch.testing.assert_close(seen["head.1"], last)


class _Scaled:
    """The true gradient, scaled."""

    def __init__(self, factor: float) -> None:
        self.factor, self.sites = factor, []

    def refuses(self, site: Site) -> str | None:
        return "it has no gradient worth scaling" if site.op == "flatten" else None

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        self.sites.append(site.name)
        (found,) = torch.autograd.grad(output, inputs[0], grad, retain_graph=True)
        return [found * self.factor]


@pytest.mark.parametrize("site", [name for name in NAMES if name not in ("add", "head.0")])
def test_a_rule_takes_the_place_of_the_backward_alone(site: str) -> None:
    net, images = _net(), torch.rand(3, 3, 8, 8, requires_grad=True)
    plain = net.eval()(images)
    (gradient,) = torch.autograd.grad(plain.sum(), images)
    for factor in (1.0, 3.0):
        rule = _Scaled(factor)
        with net.look(rules={site: rule}) as see:
            output = see(images).output
            (ruled,) = torch.autograd.grad(output.sum(), images)
        torch.testing.assert_close(output, plain)
        assert rule.sites == [site]
        if factor == 1.0:
            torch.testing.assert_close(ruled, gradient)
        elif site not in ("relu", "conv2"):  # these lie on one of two ways, the others on all
            torch.testing.assert_close(ruled, 3 * gradient)
        else:
            assert not torch.allclose(ruled, gradient)


def test_a_rule_sees_weight_and_bias_and_may_leave_them_out() -> None:
    net, images = _net(), torch.rand(2, 3, 8, 8, requires_grad=True)
    shapes = []

    class Look(_Scaled):
        def __call__(
            self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor
        ) -> Sequence[Tensor | None]:
            shapes.extend(tuple(each.shape) for each in inputs)
            return super().__call__(site, inputs, output, grad)

    with net.look(rules={"conv2": Look(1.0)}) as see:
        see(images).output.sum().backward()
    assert shapes == [(2, 4, 8, 8), (4, 4, 3, 3), (4,)]


def test_a_rule_may_refuse_and_a_wrong_gradient_is_named() -> None:
    net, images = _net(), torch.rand(2, 3, 8, 8, requires_grad=True)
    with (
        pytest.raises(StriateError, match=r"head.0.*flatten.*no gradient worth scaling"),
        net.look(rules={"head.0": _Scaled(1.0)}),
    ):
        pass

    class Wrong(_Scaled):
        def __call__(
            self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor
        ) -> Sequence[Tensor | None]:
            return [grad[:1]]

    with net.look(rules={"conv2": Wrong(1.0)}) as see:
        score = see(images).output.sum()
        with pytest.raises(StriateError, match=r"conv2.*gradient"):
            score.backward()


def test_the_pass_stops_at_the_deepest_site() -> None:
    ran = []
    net = _net()
    net.module.head.register_forward_pre_hook(lambda *_: ran.append(1))
    with net.look(read=["conv2", "conv1"]) as see:
        seen = see(torch.rand(2, 3, 8, 8))
        ran.clear()
        see(torch.rand(2, 3, 8, 8))
    assert not ran
    with pytest.raises(StriateError, match=r"stopped at 'conv2'.*stop=False"):
        _ = seen.output
    for options in ({"stop": False}, {"read": ["conv1", "output"]}, {"read": []}):
        with net.look(**{"read": ["conv1"], **options}) as see:
            assert see(torch.rand(2, 3, 8, 8)).output.shape == (2, 5)


def test_an_unknown_site_is_named_with_the_nearest_at_once() -> None:
    net = _net()
    with pytest.raises(UnknownNameError, match=r"'convv1'.*nearest are conv1.*all 12 sites"), net.look(read=["convv1"]):
        pass
    with pytest.raises(UnknownNameError, match="conv1"), net.look(edits={"convv1": lambda _, output, __: output}):
        pass
    any_size = Net(Tricky())
    with any_size.look(read=["convv1"]) as see, pytest.raises(UnknownNameError, match="conv1"):
        see(torch.rand(1, 3, 8, 8))


def test_the_path_of_a_container_stands_for_the_site_that_makes_its_output() -> None:
    net, images = _net(), torch.rand(2, 3, 8, 8)
    assert net.trace().aliases == {"head": "head.1"}
    with net.look(read=["head"]) as see:
        seen = see(images)
    torch.testing.assert_close(seen["head"], _by_hand(net, images)["head.1"])


def test_input_and_output_are_sites_too() -> None:
    net, images = _net(), torch.rand(2, 3, 8, 8)
    edits = {"input": lambda _, pixels, __: 1 - pixels, "output": lambda _, logits, __: -logits}
    with net.look(read=["input", "output"], edits=edits) as see:
        seen = see(images)
    torch.testing.assert_close(seen["input"], 1 - images)
    torch.testing.assert_close(seen["output"], -net.eval()(1 - images))


def test_a_module_called_output_keeps_clear_of_the_output() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Conv2d(1, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.output(x) + 1

    assert [site.name for site in Net(Named(), size=8).sites()] == ["output#1", "add"]


def test_a_closed_look_and_wrong_rows_are_refused() -> None:
    net = _net()
    with net.look() as see, pytest.raises(StriateError, match="3 rows for 2 images"):
        see(torch.rand(2, 3, 8, 8), torch.arange(3))
    with pytest.raises(StriateError, match="closed"):
        see(torch.rand(2, 3, 8, 8))


def test_an_edit_of_another_shape_is_refused() -> None:
    edits = {"conv1": lambda _, output, __: output[:, :1]}
    with _net().look(edits=edits) as see, pytest.raises(StriateError, match="edit of 'conv1'"):
        see(torch.rand(2, 3, 8, 8))


def test_an_edit_may_run_other_nets_and_the_same_one() -> None:
    net, images = _net(), torch.rand(2, 3, 8, 8)

    def ask(site: Site, output: Tensor, rows: Tensor) -> Tensor:
        net(images)
        with net.look(read=["conv2"]) as inner:
            inner(images)
        return output

    with net.look(read=NAMES, edits={"relu": ask}) as see:
        seen = see(images)
    torch.testing.assert_close(seen["head.1"], _by_hand(net, images)["head.1"])


def test_a_write_into_part_of_what_was_read_does_not_reach_it() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            x[:, 0] = 0.0
            x[:, 1].relu_()
            return x.sum((2, 3))

    net, images = Net(Writes(), size=8), torch.rand(2, 1, 8, 8)
    wanted = net.module.conv(images)
    with net.look(read=["conv"], stop=False) as see:
        seen = see(images)
    torch.testing.assert_close(seen["conv"], wanted)
    torch.testing.assert_close(seen.output, net(images))
    assert torch.equal(seen.output[:, 0], torch.zeros(2))
