"""What reaches what in a model: each check on a tiny model that has the fault, and on its healthy twin."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from doctor.seen import every, found, seen
from striate.doctor.checks.wiring import deliberate, scrambled
from striate.doctor.wires import Link

X, Y = torch.randn(62, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(62) % 4
CE = nn.CrossEntropyLoss()


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(72, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip


class After(nn.Module):
    """A trunk, something, a head."""

    def __init__(self, between: object, *, grad: bool = True) -> None:
        super().__init__()
        layers = list(net())
        self.trunk, self.head = nn.Sequential(*layers[:-1]), layers[-1]
        self.between, self.grad = between, grad

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.grad and torch.is_grad_enabled()):
            x = self.trunk(x)
        return self.head(self.between(x))  # type: ignore[no-any-return,operator]


class Tokens(nn.Module):
    """One attention over patches."""

    def __init__(self, *, batch_first: bool = True, cut: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm = nn.Conv2d(3, 12, 2, 2), nn.LayerNorm(12)
        self.attention, self.head = nn.MultiheadAttention(12, 2, batch_first=batch_first), nn.Linear(12, 4)
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        x = self.norm(x.view(len(x), 16, 12) if self.cut else x.flatten(2).transpose(1, 2))
        return self.head((x + self.attention(x, x, x)[0]).mean(1))  # type: ignore[no-any-return]


def test_a_healthy_net_is_silent() -> None:
    assert [each.check for each in every(net(), CE, X, Y) if each.severity != "note"] == []


def test_attention_over_the_batch_mixes_samples_and_names_batch_first() -> None:
    finding = seen("samples-mix", Tokens(batch_first=False), CE, X, Y)
    assert "attention takes the batch on axis 1" in finding.seen
    assert "samples-mix" not in found(Tokens(), CE, X, Y)


def test_mixing_is_the_share_of_the_gradient_that_lies_on_others() -> None:
    class Leak(nn.Module):
        def __init__(self, share: float) -> None:
            super().__init__()
            self.share, self.head = share, nn.Linear(192, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((x + self.share * x.roll(1, 0)).flatten(1))  # type: ignore[no-any-return]

    share = seen("samples-mix", Leak(0.5), CE, X, Y).evidence[0].number.value
    assert share == pytest.approx(0.25 / 1.25, abs=1e-4)
    assert "samples-mix" not in found(Leak(0.0), CE, X, Y)


def test_a_reshape_instead_of_a_transpose_is_found_with_both_shapes() -> None:
    finding = seen("reshape-for-transpose", Tokens(cut=True), CE, X, Y)
    assert "(B, 12, 4, 4)" in finding.seen
    assert "(B, 16, 12)" in finding.seen
    assert "reshape-for-transpose" not in found(Tokens(), CE, X, Y)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((31, 64, 7, 7), (31, 49, 64), "order"),
        ((31, 64, 4, 4), (31, 16, 64), "order"),
        ((31, 3, 8, 8), (31, 8, 8, 3), "order"),
        ((31, 10, 16), (10, 31, 16), "order"),
        ((31, 64, 7, 7), (31 * 49, 64), "cut"),
        ((31, 64, 7, 7), (31, 3136), ""),
        ((31, 64, 7, 7), (31, 64, 49), ""),
        ((31, 64, 8, 8), (31, 64, 4, 2, 4, 2), ""),
        ((31, 49, 64), (31, 49, 4, 16), ""),
        ((31, 56, 56, 96), (31, 8, 7, 8, 7, 96), ""),
        ((31 * 64, 7, 7, 96), (31, 8, 8, 7, 7, 96), ""),
        ((31, 3136), (31, 49, 64), ""),
        ((31, 1, 8, 8), (31, 8, 8, 1), ""),
        ((31, 116, 8, 8), (31, 2, 58, 8, 8), ""),
    ],
)
def test_joining_and_splitting_axes_is_told_from_cutting_across(
    before: tuple[int, ...], after: tuple[int, ...], kind: str
) -> None:
    assert scrambled(before, after) == kind


class Listed(nn.Module):
    """Layers in a container."""

    def __init__(self, *, plain: bool) -> None:
        super().__init__()
        self.blocks = list(net()) if plain else nn.ModuleList(net())
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for each in self.blocks:
            x = each(x)
        return self.head(x.tanh())  # type: ignore[no-any-return]


def test_layers_in_a_list_are_counted() -> None:
    finding = seen("layers-unregistered", Listed(plain=True), CE, X, Y)
    assert finding.evidence[0].number.value == sum(each.numel() for each in net().parameters())
    assert "blocks" in finding.seen
    assert "layers-unregistered" not in found(Listed(plain=False), CE, X, Y)


def test_a_layer_that_forward_makes_is_told_from_one_outside() -> None:
    outside = nn.Linear(16, 16)
    assert "made anew" in seen("layers-unregistered", After(lambda x: nn.Linear(16, 16)(x).relu()), CE, X, Y).seen
    assert "outside the model" in seen("layers-unregistered", After(lambda x: outside(x).relu()), CE, X, Y).seen


def test_weights_of_a_loss_that_the_optimizer_holds_are_at_home() -> None:
    scale = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([scale], lr=0.1)
    names = found(net(), lambda o, y: CE(o * scale, y), X, Y, optimizer=optimizer)
    assert "layers-unregistered" not in names


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (After(lambda x: x.detach()), "detach"),
        (After(lambda x: x.data), ".data"),
        (After(nn.Identity(), grad=False), "no_grad"),
        (After(lambda x: torch.tensor(x.detach().numpy())), "cuts the graph"),
    ],
)
def test_what_cuts_the_graph_is_named_with_the_layers_before_it(model: nn.Module, word: str) -> None:
    finding = seen("output-detached", model, CE, X, Y)
    assert word in finding.seen
    assert finding.evidence[0].number.value == 3


def test_a_trunk_that_is_frozen_by_declaration_is_not_called_detached() -> None:
    model = After(nn.Identity())
    model.trunk.requires_grad_(False)
    assert "output-detached" not in found(model, CE, X, Y)
    assert "output-detached" not in found(After(nn.Identity()), CE, X, Y)


def test_without_any_gradient_all_parameters_are_named() -> None:
    finding = seen("output-detached", net(), lambda o, y: CE(o.detach(), y), X, Y)
    assert "any of the 8 parameters" in finding.seen


def test_a_layer_that_is_never_called_is_found_and_a_second_head_is_a_note() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.spare = net(), nn.Linear(40, 40)

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x)  # type: ignore[no-any-return]

    finding = seen("parameters-unused", Spare(), CE, X, Y)
    assert finding.severity == "warning"
    assert "1,640 weights" in finding.seen
    assert seen("parameters-unused", Spare(), CE, X, Y, pretrained=True).severity == "note"


def test_frozen_last_layer_frozen_random_trunk_and_everything_frozen_are_told_apart() -> None:
    head, trunk, whole = net(), net(), net()
    head[-1].requires_grad_(False)
    trunk[:-1].requires_grad_(False)
    whole.requires_grad_(False)
    assert "The last layer (7)" in seen("frozen", head, CE, X, Y).seen
    assert "never trained" in seen("frozen", trunk, CE, X, Y).seen
    assert "nothing can learn" in seen("frozen", whole, CE, X, Y).seen
    assert "frozen" not in found(net(), CE, X, Y)


def test_a_trained_trunk_may_be_frozen() -> None:
    model = net()
    with torch.no_grad():  # heavier tails than any initialisation draws
        for each in model[:-1].parameters():
            each.copy_(torch.distributions.StudentT(4.0).sample(each.shape) * 0.05)
    model[:-1].requires_grad_(False)
    assert "frozen" not in found(model, CE, X, Y)
    untold = net()
    untold[:-1].requires_grad_(False)
    assert "frozen" not in found(untold, CE, X, Y, pretrained=True)


def test_one_layer_at_three_places_is_found_and_one_activation_is_not() -> None:
    block, relu = nn.Linear(16, 16), nn.ReLU()
    start = [nn.Flatten(), nn.Linear(192, 16), relu]
    same = nn.Sequential(*start, *[block, relu] * 3, nn.Linear(16, 4))
    other = nn.Sequential(*start, *[each for _ in range(3) for each in (nn.Linear(16, 16), relu)], nn.Linear(16, 4))
    assert "3, 5, 7 are one and the same layer" in seen("shared-by-accident", same, CE, X, Y).seen
    assert "shared-by-accident" not in found(other, CE, X, Y)


def test_a_batch_norm_after_two_layers_is_found_and_one_that_is_called_twice_alike_is_not() -> None:
    class Twice(nn.Module):
        def __init__(self, *, shared: bool) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
            self.n = nn.BatchNorm2d(8)
            self.m = self.n if shared else nn.BatchNorm2d(8)
            self.head = nn.Linear(128, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.m(self.b(self.n(self.a(x)).relu())).relu().flatten(1))  # type: ignore[no-any-return]

    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Twice(shared=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) - self.net(x.flip(-1))  # type: ignore[no-any-return]

    assert "after 2 different layers" in seen("shared-by-accident", Twice(shared=True), CE, X, Y).seen
    assert "shared-by-accident" not in found(Siamese(), CE, X, Y)


def test_linear_layers_in_a_row_are_found_and_a_whole_linear_model_is_an_error() -> None:
    layers = list(net())
    pair = seen("activation-missing", nn.Sequential(*layers[:6], layers[7]), CE, X, Y)
    assert pair.severity == "warning"
    assert "5 and 6" in pair.seen
    whole = seen("activation-missing", nn.Sequential(*[e for e in net() if not isinstance(e, nn.ReLU)]), CE, X, Y)
    assert whole.severity == "error"
    assert "4 weighted layers and no activation" in whole.seen


def test_functional_activations_in_place_count_as_activations() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(128, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(F.relu(self.b(F.relu_(self.a(x))), inplace=True).flatten(1))  # type: ignore[no-any-return]

    assert "activation-missing" not in found(Functional(), CE, X, Y)


@pytest.mark.parametrize(
    ("link", "healthy"),
    [
        (Link("a", "b", (64, 64, 64), ((), ()), (1, 1)), False),
        (Link("a", "b", (784, 64, 10), ((), ()), (1, 1)), False),
        (Link("a", "b", (64, 4, 64), ((), ()), (1, 1)), True),
        (Link("depthwise", "pointwise", (32, 32, 64), ((3, 3), (1, 1)), (32, 1)), True),
        (Link("project", "expand", (96, 24, 144), ((1, 1), (1, 1)), (1, 1)), True),
        (Link("lateral", "smooth", (2048, 256, 256), ((1, 1), (3, 3)), (1, 1)), True),
        (Link("rows", "columns", (64, 64, 64), ((7, 1), (1, 7)), (1, 1)), True),
        (Link("a", "b", (64, 64, 64), ((3, 3), (3, 3)), (1, 1)), False),
    ],
)
def test_pairs_that_healthy_nets_have_are_left_alone(link: Link, healthy: bool) -> None:
    assert deliberate(link) is healthy


def test_the_field_before_the_average_is_counted() -> None:
    small = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    large = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    wide = nn.functional.interpolate(X, (16, 16))
    assert "sees 3 of 16 pixels" in seen("field-small", small, CE, wide, Y).seen
    assert "field-small" not in found(large, CE, wide, Y)
