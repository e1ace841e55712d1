"""Path and sampling methods beside closed forms and slow loops; what they refuse; checks that can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from oracles import inside_paths as slow
from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng, image_ids
from striate.inside.attribution.expected_gradients import expected_gradients
from striate.inside.attribution.gradient import gradient
from striate.inside.attribution.gradient_x_input import gradient_x_input
from striate.inside.attribution.integrated_gradients import integrated_gradients, quadrature
from striate.inside.attribution.smooth_grad import smooth_grad, var_grad
from striate.nets.net import Net

TARGETS = torch.tensor([0, 3, 1, 4])


class Quadratic(nn.Module):
    """x A x / 2 + b x over the pixels, and its negative."""

    def __init__(self, count=12):
        super().__init__()
        drawn = torch.Generator().manual_seed(0)
        matrix = torch.randn(count, count, generator=drawn)
        self.matrix = nn.Parameter((matrix + matrix.T) / 2)
        self.vector = nn.Parameter(torch.randn(count, generator=drawn))

    def forward(self, images):
        x = images.flatten(1)
        value = (x @ self.matrix * x).sum(1) / 2 + x @ self.vector
        return torch.stack([value, -value], 1)


@pytest.fixture
def quadratic():
    return Net(Quadratic(), channels=3, classes=2)


@pytest.fixture
def pixels():
    return torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("rule", "steps"), [("gauss_legendre", 1), ("gauss_legendre", 7), ("midpoint", 5)])
def test_integrated_gradients_of_a_quadratic_are_exact_at_any_number_of_steps(quadratic, pixels, rule, steps):
    maps = integrated_gradients(
        quadratic, pixels, torch.tensor([0, 1]), baseline=(0.2, 0.5, 0.1), rule=rule, steps=steps
    )
    start = np.repeat([0.2, 0.5, 0.1], 4)
    matrix, vector = (each.detach().double().numpy() for each in quadratic.module.parameters())
    for sign, image, found in zip((1, -1), pixels, maps.values, strict=True):
        expected = sign * slow.integrated_gradients_of_quadratic(
            image.double().flatten().numpy(), start, matrix, vector
        )
        assert np.abs(found.flatten().double().numpy() - expected).max() < 1e-5
    assert max(check.residual.value for check in maps.checks) < 1e-5


def test_integrated_gradients_of_a_product_need_two_points_of_gauss_and_legendre():
    class Product(nn.Module):
        def forward(self, images):
            value = images.flatten(1).prod(1)
            return torch.stack([value, -value], 1)

    net, image = Net(Product(), channels=3, classes=2), torch.tensor([0.9, 0.3, 0.7]).view(1, 3, 1, 1)
    expected = slow.integrated_gradients_of_product(image.double().flatten().numpy(), np.array([0.1, 0.8, 0.2]))
    two = integrated_gradients(net, image, torch.tensor([0]), baseline=(0.1, 0.8, 0.2), steps=2)
    one = integrated_gradients(net, image, torch.tensor([0]), baseline=(0.1, 0.8, 0.2), steps=1)
    assert np.abs(two.values.flatten().double().numpy() - expected).max() < 1e-6
    assert np.abs(one.values.flatten().double().numpy() - expected).max() > 1e-3


def test_integrated_gradients_and_smooth_grad_equal_a_float64_loop(net, photos):
    double = Net(net.module.double(), mean=net.mean, std=net.std)
    images = photos.double()

    def slope(target):
        def of(point):
            leaf = torch.from_numpy(point)[None].requires_grad_()
            return torch.autograd.grad(double.logits(leaf)[0, target], leaf)[0][0].numpy()

        return of

    places, weights = quadrature("gauss_legendre", 9)
    drawn = Rng(5, "smooth_grad")
    paths = integrated_gradients(double, images, TARGETS, steps=9, baseline=0.25).values
    smooth = smooth_grad(double, images, TARGETS, samples=6, noise=0.1, seed=5).values
    for i, (image, target) in enumerate(zip(images.numpy(), TARGETS.tolist(), strict=True)):
        on_path = [0.25 + float(place) * (image - 0.25) for place in places]
        expected = (image - 0.25) * slow.mean_over_points(slope(target), on_path, weights.numpy())
        assert np.abs(paths[i].numpy() - expected).max() < 1e-6 * np.abs(expected).max()
        own = image_ids(images[i : i + 1])
        noises = [drawn.noise(own, (16, 16, 3), step=k)[0].permute(2, 0, 1).double().numpy() for k in range(6)]
        expected = slow.mean_over_points(slope(target), [image + 0.1 * each for each in noises], [1 / 6] * 6)
        assert np.abs(smooth[i].numpy() - expected).max() < 1e-6 * np.abs(expected).max()


def test_smooth_grad_without_noise_or_of_a_linear_net_is_the_gradient(net, photos):
    linear = Net(nn.Sequential(nn.Flatten(), nn.Linear(768, 5)), channels=3)
    for each, noise in ((net, 0.0), (linear, 0.3)):
        plain = gradient(each, photos, TARGETS).values
        smooth = smooth_grad(each, photos, TARGETS, samples=3, noise=noise)
        assert torch.allclose(smooth.values, plain, atol=1e-6 * float(plain.abs().max()))
        assert max(check.residual.value for check in smooth.checks) < 1e-3


def test_var_grad_of_a_quadratic_is_the_spread_of_its_matrix(quadratic, pixels):
    maps = var_grad(quadratic, pixels, torch.tensor([0, 1]), samples=1500, noise=0.2)
    matrix = quadratic.module.matrix.detach().double().numpy()
    expected = slow.variance_of_quadratic_gradients(matrix, 0.2)
    for found, check in zip(maps.values, maps.checks, strict=True):
        ratio = found.flatten().double().numpy() / expected
        assert np.abs(ratio - 1).max() < 5 * (2 / 1500) ** 0.5  # five standard errors of a normal sample's variance
        assert check.residual.value < 5 * (2 / 1500) ** 0.5


def test_the_standard_error_of_smooth_grad_is_that_of_repeated_runs(quadratic, pixels):
    runs = [smooth_grad(quadratic, pixels, torch.tensor([0, 1]), samples=20, seed=seed) for seed in range(60)]
    values = torch.stack([run.values for run in runs]).double()
    spread = values.var(0).flatten(1).sum(1).sqrt()
    for i in range(2):
        stated = [run.checks[i].residual.value * run.values[i].double().norm() for run in runs]
        assert abs(float(torch.stack(stated).mean() / spread[i]) - 1) < 0.15


def test_gradient_x_input_of_a_linear_net_sums_to_the_rise_from_black(pixels):
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), mean=0.4, std=0.5, channels=3)
    maps = gradient_x_input(net, pixels, torch.tensor([0, 1]))
    rise = (net(pixels) - net(torch.zeros_like(pixels))).gather(1, torch.tensor([[0], [1]]))[:, 0]
    assert torch.allclose(maps.values.sum((1, 2, 3)), rise, atol=1e-5)


def test_integrated_gradients_take_more_points_for_the_images_alone_that_need_them(net, photos):
    steep = Net(nn.Sequential(Jump(), net), channels=3)
    images = torch.stack([photos[0] * 0.3, photos[1].clamp_min(0.7)])
    targets = TARGETS[:2]
    at_once = integrated_gradients(steep, images, targets, steps=50)
    assert [check.holds for check in at_once.checks] == [True, False]
    maps = integrated_gradients(steep, images, targets)
    assert [check.residual.n for check in maps.checks] == [50, 400]
    assert maps.values[0].equal(at_once.values[0])
    assert maps.values[1].equal(integrated_gradients(steep, images, targets, steps=400).values[1])
    assert integrated_gradients(steep, images, targets, check=False).values.equal(at_once.values)


class Jump(nn.Module):
    """A step at 1/2 that no gradient sees: no number of points makes the map complete."""

    def forward(self, images):
        return images + (images > 0.5).float()


def test_expected_gradients_with_one_reference_are_integrated_gradients_from_it(net, photos):
    reference = torch.full((1, 3, 16, 16), 0.3)
    paths = integrated_gradients(net, photos, TARGETS, baseline=0.3, steps=200).values
    maps = expected_gradients(net, photos, TARGETS, references=reference, samples=200)
    assert (maps.values - paths).abs().max() < 0.05 * paths.abs().max()
    assert all(check.holds for check in maps.checks)


def test_expected_gradients_are_the_mean_over_the_references(quadratic, pixels):
    references = torch.rand(3, 3, 2, 2, generator=torch.Generator().manual_seed(2))
    maps = expected_gradients(quadratic, pixels, torch.tensor([0, 0]), references=references, samples=6000)
    matrix, vector = (each.detach().double().numpy() for each in quadratic.module.parameters())
    for image, found in zip(pixels, maps.values, strict=True):
        expected = np.mean(
            [
                slow.integrated_gradients_of_quadratic(
                    image.double().flatten().numpy(), each.double().flatten().numpy(), matrix, vector
                )
                for each in references
            ],
            axis=0,
        )
        assert np.abs(found.flatten().double().numpy() - expected).max() < 0.03 * np.abs(expected).max()


class Bent(torch.autograd.Function):
    """Doubles; its backward forgets to."""

    @staticmethod
    def forward(ctx, values):
        return 2 * values

    @staticmethod
    def backward(ctx, slopes):
        return slopes


def test_completeness_fails_where_the_backward_is_wrong_or_the_steps_are_few(photos):
    class Wrong(nn.Module):
        def forward(self, images):
            return Bent.apply(images).mean((2, 3))

    class Steep(nn.Module):
        def forward(self, images):
            return torch.sigmoid(200 * (images.mean((2, 3)) - 0.05))

    for module in (Wrong(), Steep()):
        net, targets = Net(module, channels=3, classes=3), torch.tensor([0, 1, 2, 0])
        assert not any(check.holds for check in integrated_gradients(net, photos, targets, steps=2).checks)
    net = Net(Wrong(), channels=3, classes=3)
    assert not any(
        check.holds for check in expected_gradients(net, photos, targets, references=torch.zeros(1, 3, 16, 16)).checks
    )


def test_a_map_of_chance_alone_is_no_steady_map():
    class Waves(nn.Module):
        def forward(self, images):
            waves = torch.cos(1000 * images).sum((1, 2, 3))
            return torch.stack([waves, -waves], 1)

    images = torch.full((1, 3, 16, 16), 0.5)
    (check,) = smooth_grad(Net(Waves(), channels=3, classes=2), images, torch.tensor([0])).checks
    assert check.holds is False
    assert check.residual.value > 0.8


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (smooth_grad, {"noise": -0.1}, "noise is -0.1"),
        (var_grad, {"noise": float("nan")}, "noise is nan"),
        (smooth_grad, {"samples": 1}, "samples is 1"),
        (var_grad, {"samples": 3}, "samples is 3"),
        (integrated_gradients, {"steps": 0}, "steps is 0"),
        (integrated_gradients, {"baseline": 1.5}, "baseline is 1.5"),
        (integrated_gradients, {"baseline": "gray"}, "baseline is 'gray'"),
        (expected_gradients, {"references": torch.rand(2, 3, 8, 8)}, r"references of shape \(2, 3, 8, 8\)"),
        (expected_gradients, {"references": torch.rand(0, 3, 16, 16)}, "or none"),
        (expected_gradients, {"samples": 1}, "samples is 1"),
    ],
)
def test_what_makes_no_sense_is_refused(method, options, message, net, photos):
    with pytest.raises(StriateError, match=message):
        method(net, photos, TARGETS, **options)


def test_an_unknown_rule_names_the_nearest(net, photos):
    with pytest.raises(UnknownNameError, match=r"midpoin.*midpoint"):
        integrated_gradients(net, photos, TARGETS, rule="midpoin")
