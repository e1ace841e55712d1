from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import imageopt_objectives as slow
from oracles.synthesis_dream import guided
from striate.core.errors import StriateError, UnknownNameError
from striate.imageopt.objective import (
    alpha_norm,
    best_match,
    channel,
    code_distance,
    code_of,
    cosine,
    direction,
    distance,
    diversity,
    dlr,
    dot,
    gram_distance,
    gram_of,
    layer_energy,
    margin,
    over_layers,
    patch_distance,
    patches_of,
    pixel_range,
    places_of,
    total_variation,
    unit,
    weighted_distance,
)
from striate.imageopt.objective.patches import nearest_patch
from striate.nets.net import Net


@dataclass(frozen=True)
class Pass:
    images: Tensor
    output: Tensor
    rows: Tensor
    values: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, site: str) -> Tensor:
        return self.values[site]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def a_pass(count: int = 3, classes: int = 6) -> Pass:
    values = {"maps": drawn(count, 4, 5, 6, seed=1), "tokens": drawn(count, 7, 4, seed=2), "vector": drawn(count, 4)}
    images = drawn(count, 3, 4, 5, seed=3) * 0.4 + 0.5
    return Pass(images, drawn(count, classes, seed=4), torch.arange(count), values)


def test_the_difference_of_logits_ratio_is_that_of_croce_and_hein() -> None:
    seen, labels, targets = a_pass(), torch.tensor([0, 3, 5]), torch.tensor([2, 2, 1])
    for row in range(3):
        z = seen.output[row].numpy()
        label, target = int(labels[row]), int(targets[row])
        assert float(dlr(labels)(seen)[row]) == pytest.approx(slow.difference_of_logits_ratio(z, label))
        exact = slow.difference_of_logits_ratio(z, label, target)
        assert float(dlr(labels, targets)(seen)[row]) == pytest.approx(exact)


def test_the_difference_of_logits_ratio_does_not_change_with_scale_and_shift_of_the_logits() -> None:
    seen = a_pass()
    moved = Pass(seen.images, 1000 * seen.output - 7, seen.rows)
    torch.testing.assert_close(dlr(1)(seen), dlr(1)(moved))
    torch.testing.assert_close(dlr(1, 2)(seen), dlr(1, 2)(moved))
    wrong = seen.output.argmax(1) != 1
    assert torch.equal(dlr(1)(seen) > 0, wrong)


def test_below_four_classes_the_ratio_is_the_margin_and_its_words_say_so() -> None:
    seen = a_pass(classes=3)
    assert torch.equal(dlr(1)(seen), margin(1)(seen))
    torch.testing.assert_close(dlr(1, 2)(seen), seen.output[:, 2] - seen.output[:, 1])
    assert str(dlr(1)) == "dlr(1; the plain lead below 4 classes)"


def test_units_channels_and_energy_read_the_right_numbers() -> None:
    seen = a_pass()
    maps, tokens, vector = (seen[name].numpy() for name in ("maps", "tokens", "vector"))
    own = torch.tensor([3, 0, 2])
    for row in range(3):
        k = int(own[row])
        assert float(unit("maps", own)(seen)[row]) == maps[row, k, 2, 3]
        assert float(unit("maps", 1, (4, 0))(seen)[row]) == maps[row, 1, 4, 0]
        assert float(unit("tokens", 1, (6,))(seen)[row]) == tokens[row, 6, 1]
        assert float(unit("vector", own)(seen)[row]) == vector[row, k]
        assert float(channel("maps", own)(seen)[row]) == pytest.approx(maps[row, k].mean())
        assert float(channel("tokens", 1)(seen)[row]) == pytest.approx(tokens[row, :, 1].mean())
        assert float(layer_energy("maps")(seen)[row]) == pytest.approx((maps[row] ** 2).sum() / 2)


def test_the_gradient_of_the_layer_energy_is_the_layer() -> None:
    seen = a_pass()
    free = seen["maps"].clone().requires_grad_()
    (grad,) = torch.autograd.grad(layer_energy("x")(Pass(seen.images, seen.output, seen.rows, {"x": free})).sum(), free)
    torch.testing.assert_close(grad, free.detach())


def test_directions_and_angles_are_inner_products() -> None:
    seen, vectors, codes = a_pass(), drawn(3, 4, seed=8), drawn(3, 4, 5, 6, seed=9)
    for row in range(3):
        value, code = seen["maps"][row].numpy(), codes[row].numpy()
        along = np.mean([value[:, i, j] @ vectors[row].numpy() for i in range(5) for j in range(6)])
        assert float(direction("maps", vectors)(seen)[row]) == pytest.approx(along)
        angle = slow.cosine(value, code)
        assert float(cosine("maps", codes)(seen)[row]) == pytest.approx(angle)
        product = float((value * code).sum())
        assert float(dot("maps", codes)(seen)[row]) == pytest.approx(product)
        assert float(dot("maps", codes, power=2)(seen)[row]) == pytest.approx(product * max(angle, 0.1) ** 2)
    torch.testing.assert_close(direction("maps", vectors[0])(seen)[1:2], direction("maps", vectors[:1])(seen)[1:2])
    assert cosine("maps", torch.zeros(1, 4, 5, 6))(seen).tolist() == [0, 0, 0]


def test_code_distances_are_squared_and_divided_by_the_codes_own_length() -> None:
    seen, codes = a_pass(), drawn(3, 4, 5, 6, seed=9)
    exact = [float(((seen["maps"][row] - codes[row]) ** 2).sum()) for row in range(3)]
    lengths = [float((codes[row] ** 2).sum()) for row in range(3)]
    np.testing.assert_allclose(code_distance("maps", codes)(seen), exact)
    np.testing.assert_allclose(code_distance("maps", codes, normalised=True)(seen), np.divide(exact, lengths))
    zero = Pass(seen.images, seen.output, seen.rows, {"maps": torch.zeros_like(codes)})
    np.testing.assert_allclose(code_distance("maps", codes, normalised=True)(zero), [1, 1, 1])


def test_targets_belong_to_rows_and_one_serves_all() -> None:
    codes, seen = drawn(3, 4, 5, 6, seed=9), a_pass()
    last = Pass(seen.images[2:], seen.output[2:], torch.tensor([2]), {"maps": seen["maps"][2:]})
    for make in (code_distance, cosine, dot):
        torch.testing.assert_close(make("maps", codes)(last), make("maps", codes)(seen)[2:])
        torch.testing.assert_close(make("maps", codes[:1])(seen), make("maps", codes[[0, 0, 0]])(seen))


def test_gram_matrices_and_their_distance_are_those_of_gatys() -> None:
    seen, other = a_pass(), drawn(3, 4, 5, 6, seed=9)
    grams = gram_of(other)
    for row in range(3):
        np.testing.assert_allclose(grams[row], slow.gram(other[row].numpy()), atol=1e-14)
        exact = slow.gatys_loss(seen["maps"][row].numpy(), other[row].numpy())
        assert float(gram_distance("maps", grams)(seen)[row]) == pytest.approx(exact)
    larger = other.repeat(1, 1, 2, 3)  # the same texture on a larger image
    torch.testing.assert_close(gram_of(larger), grams)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("memory", [1, 1000, 1 << 20])
def test_the_patch_distance_is_that_of_li_and_wand_whatever_the_memory(stride: int, memory: int) -> None:
    seen, styles = a_pass(), drawn(2, 4, 6, 4, seed=9)
    patches = patches_of(styles, stride=stride)
    made = patch_distance("maps", patches, stride=stride, memory=memory)(seen)
    exact = [
        slow.markov_loss(each.numpy(), [style.numpy() for style in styles], size=3, stride=stride)
        for each in seen["maps"]
    ]
    np.testing.assert_allclose(made, exact)


def test_an_image_made_of_the_given_patches_is_at_distance_zero_and_equal_patches_give_the_first() -> None:
    seen = a_pass(count=1)
    assert float(patch_distance("maps", patches_of(seen["maps"]))(seen)[0]) == 0
    units = torch.eye(2, dtype=torch.float64)[[0, 1, 0, 1]]
    for memory in (1, 1 << 20):
        assert nearest_patch(torch.tensor([[0.0, 2.0], [3.0, 0.0]]).double(), units, memory=memory).tolist() == [1, 0]


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_the_best_match_is_that_of_the_notebook_in_score_and_gradient(memory: int) -> None:
    leaf, guide = drawn(3, 5, 4, 6).requires_grad_(True), drawn(2, 5, 3, 3, seed=1)
    objective = best_match("maps", places_of(guide), memory=memory)
    assert objective.words == "best_match('maps', 18 vectors)"
    seen = Pass(torch.zeros(3, 1, 1, 1), torch.zeros(3, 2), torch.arange(3), {"maps": leaf})
    scores = objective(seen)
    (grad,) = torch.autograd.grad(scores.sum(), leaf)
    both = np.concatenate(guide.numpy(), axis=1)
    for k in range(3):
        score, pulled = guided(leaf[k].detach().numpy(), both)
        assert float(scores[k].detach()) == pytest.approx(score, rel=1e-10)
        np.testing.assert_allclose(grad[k], pulled, atol=1e-12)
    with pytest.raises(StriateError, match="vectors of 4 numbers for 'maps'; accepted: 5"):
        best_match("maps", torch.zeros(2, 4))(seen)
    with pytest.raises(StriateError, match=r"vectors of shape \(0, 5\)"):
        best_match("maps", torch.zeros(0, 5))


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_the_variation_with_an_exponent_is_that_of_mahendran_and_vedaldi(beta: float) -> None:
    seen = a_pass()
    for row in range(3):
        exact = slow.variation(seen.images[row].numpy(), beta)
        assert float(total_variation(beta)(seen)[row]) == pytest.approx(exact)


def test_gradients_are_finite_where_an_image_is_flat_or_is_its_target() -> None:
    flat = torch.full((2, 1, 4, 4), 0.5, dtype=torch.float64).requires_grad_()
    seen = Pass(flat, flat.flatten(1), torch.arange(2))
    for objective in (total_variation(1.0), alpha_norm(1.0), distance(flat.detach()), distance(flat.detach(), 1)):
        (grad,) = torch.autograd.grad(objective(seen).sum(), flat)
        assert torch.equal(grad, torch.zeros_like(grad))


def test_penalties_of_pixels_are_what_their_names_say() -> None:
    seen, centre = a_pass(), drawn(3, 3, 4, 5, seed=7)
    for row in range(3):
        x, c = seen.images[row].numpy(), centre[row].numpy()
        assert float(alpha_norm(6)(seen)[row]) == pytest.approx((abs(x - 0.5) ** 6).sum())
        over = sum(max(v - 1, 0, -v) ** 2 for v in x.flatten())
        assert float(pixel_range()(seen)[row]) == pytest.approx(over)
        assert over > 0
        parts = np.linspace(0, 1, 20).reshape(4, 5)
        weights = torch.from_numpy(parts).expand(3, 1, 4, 5)
        assert float(weighted_distance(centre, weights)(seen)[row]) == pytest.approx((parts * (x - c) ** 2).mean())
        for norm, exact in ((1, abs(x - c).sum()), (2, ((x - c) ** 2).sum() ** 0.5), (math.inf, abs(x - c).max())):
            assert float(distance(centre, norm)(seen)[row]) == pytest.approx(exact)


def test_diversity_compares_the_images_of_a_pass_and_is_marked() -> None:
    seen = a_pass()
    maps = [each.numpy() for each in seen["maps"]]
    np.testing.assert_allclose(diversity("maps", 3)(seen), [slow.diversity(maps, row) for row in range(3)])
    assert not (layer_energy("maps") + 0.1 * diversity("maps", 3)).per_image
    assert (layer_energy("maps") + total_variation()).per_image
    with pytest.raises(StriateError, match="diversity of 4 images in a pass of 3"):
        diversity("maps", 4)(seen)
    with pytest.raises(StriateError, match="count is 1"):
        diversity("maps", 1)


def test_a_sum_over_layers_reads_them_all_and_prints_as_a_sum() -> None:
    seen = a_pass()
    total = over_layers({"maps": 2, "vector": -0.5}, layer_energy)
    torch.testing.assert_close(total(seen), 2 * layer_energy("maps")(seen) - 0.5 * layer_energy("vector")(seen))
    assert str(total) == "2 * layer_energy('maps') - 0.5 * layer_energy('vector')"
    assert total.sites == {"maps", "vector"}


def small_net() -> Net:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(80, 4))
    return Net(module, size=8).double()


def test_codes_are_what_the_sites_say_and_the_pass_stops_at_the_deepest() -> None:
    net, x = small_net(), drawn(5, 1, 8, 8).sigmoid()
    ran: list[int] = []
    net.sites()  # which runs all of it once
    for place, module in enumerate(net.module):
        module.register_forward_pre_hook(lambda *_, place=place: ran.append(place))
    whole, chunked = code_of(net, x, ["1", "0"]), code_of(net, x, ["1", "0"], memory=1)
    assert sorted(ran) == [0] * 6 + [1] * 6  # one pass of all, then five of one
    with torch.no_grad():
        exact = net.module[0](x)
    torch.testing.assert_close(whole["0"], exact)
    torch.testing.assert_close(whole["1"], exact.relu())
    torch.testing.assert_close(chunked["1"], whole["1"])
    assert not whole["0"].requires_grad
    assert float(cosine("1", whole["1"])(Pass(x, x, torch.arange(5), whole)).min()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: unit("maps", 4)(a_pass()), "unknown channel of site 'maps': '4'; try: 0 to 3, it has 4 channels"),
        (lambda: channel("tokens", -1)(a_pass()), "it has 4 channels"),
        (lambda: unit("maps", 0, (5, 0))(a_pass()), "0 to 4 and 0 to 5"),
        (lambda: unit("vector", 0, (1,))(a_pass()), "one number a channel"),
        (lambda: unit("tokens", 0)(a_pass()), "7 tokens"),
        (lambda: direction("maps", torch.zeros(3))(a_pass()), "direction of 3 numbers at 'maps'; accepted: 4"),
        (lambda: direction("maps", torch.zeros(1, 1, 1)), "direction of shape"),
        (lambda: code_distance("maps", torch.zeros(1, 4, 5, 6), normalised=True), "code of image 0 at 'maps' is zero"),
        (lambda: cosine("maps", torch.zeros(1, 4, 5, 5))(a_pass()), r"a target of shape \(4, 5, 5\) for 'maps'"),
        (lambda: cosine("maps", torch.zeros(2, 4, 5, 6))(a_pass()), "2 targets for image 2"),
        (lambda: patches_of(torch.zeros(1, 3, 2, 9)), "patches of 3 x 3"),
        (lambda: patch_distance("maps", torch.zeros(2, 9))(a_pass()), "patches of 9 numbers for 'maps'; accepted: 36"),
        (lambda: patch_distance("vector", torch.zeros(2, 9))(a_pass()), "of a code of shape"),
        (lambda: dot("maps", torch.zeros(1, 4, 5, 6), power=-1), "power is -1"),
        (lambda: total_variation(0), "beta is 0"),
        (lambda: alpha_norm(0.5), "alpha is 0.5"),
        (lambda: pixel_range(1, 0), "low below high"),
        (lambda: distance(torch.zeros(1), 3), "norm is 3"),
        (lambda: over_layers({}, layer_energy), "no sites"),
        (lambda: code_of(small_net(), torch.zeros(0, 1, 8, 8), "0"), "at least one of each"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(make: object, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make()


def test_an_unknown_site_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown site 'conv'"):
        code_of(small_net(), torch.zeros(1, 1, 8, 8, dtype=torch.float64), "conv")
    with pytest.raises(UnknownNameError, match="channel"):
        unit("maps", 9)(a_pass())
