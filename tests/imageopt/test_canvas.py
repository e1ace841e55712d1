from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import imageopt_canvases as slow
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.canvas import (
    CPPN,
    Canvas,
    ChosenPixels,
    Delta,
    Fourier,
    Grey,
    Latent,
    Patch,
    Placement,
    TanhBox,
    colour_factor,
)
from striate.imageopt.region import Ball, Box

RNG = Rng(0, "test")
SIZE = (7, 9)


def images(count: int = 3, dtype: torch.dtype = torch.float64, *, low: float = 0.0, high: float = 1.0) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return (low + (high - low) * torch.rand(count, 3, *SIZE, generator=draw, dtype=torch.float64)).to(dtype)


def ids(count: int = 3) -> Tensor:
    return torch.arange(count) + 100


def generator() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 189), nn.BatchNorm1d(189), nn.Tanh(), nn.Unflatten(1, (3, *SIZE))).double()


def patch(x: Tensor, *, shared: bool = False) -> Patch:
    mask = torch.tensor([[0.0, 1, 1, 0.5], [1, 1, 1, 1], [0.2, 1, 1, 1]], dtype=x.dtype)
    placed = Placement(0.5, 0.7).draw(ids(len(x)), RNG, patch=(3, 4), image=SIZE)
    return Patch(x, mask, placed, shared=shared)


def canvases(x: Tensor) -> dict[str, Canvas]:
    return {
        "tanh": TanhBox(),
        "delta": Delta(x),
        "shared delta": Delta(x, shared=True),
        "patch": patch(x),
        "shared patch": patch(x, shared=True),
        "chosen": ChosenPixels(x, 3),
        "bilinear": ChosenPixels(x, 3, rounded=False),
        "fourier": Fourier(SIZE),
        "cppn": CPPN(3, SIZE, width=6, depth=2),
        "latent": Latent(generator(), (6,), low=-1.0, least=-2.0, most=2.0),
    }


NAMES = list(canvases(images()))


def rows_of(x: Tensor) -> Tensor:
    return torch.arange(len(x))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tanh", 5.1e-7),
        ("delta", 0.0),
        ("chosen", 0.0),
        ("bilinear", 1e-14),
        ("fourier", 1e-12),
        ("shared delta", 1e-12),
    ],
)
def test_a_start_reproduces_the_images_as_nearly_as_it_says(name: str, near: float) -> None:
    x = images(low=1e-3, high=0.999)
    x[0, 0, 0, :2] = torch.tensor([0.0, 1.0]) if name in {"tanh", "delta", "chosen"} else x[0, 0, 0, :2]
    canvas = canvases(x)[name]
    painted = canvas.paint(canvas.start(x, ids=ids(), rng=RNG), rows_of(x))
    assert float((painted - x).abs().max()) <= near
    assert painted.shape == x.shape


def test_a_fourier_start_moves_no_value_further_than_its_hair() -> None:
    x = images().round()
    canvas = Fourier(SIZE, hair=1e-3)
    painted = canvas.paint(canvas.start(x, ids=ids(), rng=RNG), rows_of(x))
    torch.testing.assert_close(painted, x.clamp(1e-3, 0.999))


def test_a_patch_starts_as_what_the_image_shows_there_up_to_its_blur() -> None:
    across = torch.linspace(0.2, 0.8, SIZE[1], dtype=torch.float64).expand(1, 3, *SIZE)  # no blur where it is linear
    canvas = Patch(across, torch.ones(3, 4).double(), Placement(0.3, 0.3).draw(ids(1), RNG, patch=(3, 4), image=SIZE))
    painted = canvas.paint(canvas.start(across, ids=ids(1), rng=RNG), torch.tensor([0]))
    assert float((painted - across).abs().max()) < 0.03
    x = images()
    canvas = patch(x)
    start = canvas.paint(canvas.start(x, ids=ids(), rng=RNG), rows_of(x))
    grey = canvas.paint(torch.full((3, 3, 3, 4), 0.5, dtype=x.dtype), rows_of(x))
    assert float((start - x).square().mean()) < float((grey - x).square().mean())


def test_a_cppn_starts_nearer_to_a_smooth_image_than_its_mean_and_a_latent_at_the_nearest_draw() -> None:
    y, x = torch.meshgrid(*(torch.linspace(0, 1, side, dtype=torch.float64) for side in SIZE), indexing="ij")
    smooth = torch.stack([0.2 + 0.6 * x, 0.5 + 0.3 * y * x, 0.8 - 0.5 * y])[None]
    canvas, many_ids = CPPN(3, SIZE), torch.arange(20)
    start = canvas.start(smooth.expand(20, -1, -1, -1), ids=many_ids, rng=RNG)
    errors = (canvas.paint(start, many_ids) - smooth).square().mean((1, 2, 3))
    spread = float((smooth - smooth.mean((2, 3), keepdim=True)).square().mean())
    assert float(errors.median()) < 0.05 * spread
    assert float(errors.max()) < 0.5 * spread
    many, few = (Latent(generator(), (6,), low=-1.0, tries=tries) for tries in (32, 1))
    far = [
        float((c.paint(c.start(smooth, ids=ids(1), rng=RNG), torch.tensor([0])) - smooth).norm()) for c in (many, few)
    ]
    assert far[0] < far[1]
    loose = replace(canvas, fitted=False)
    starts = [loose.start(each, ids=ids(1), rng=RNG) for each in (smooth, 1 - smooth)]
    assert torch.equal(starts[0], starts[1])


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_what_is_painted_are_exact(name: str) -> None:
    x = images(2, low=0.2, high=0.8)
    canvas = canvases(x)[name]
    z = canvas.start(x, ids=ids(2), rng=RNG)
    z = z + 0.01 * RNG.child("z").normal(torch.arange(len(z)), z.shape[1:]).double()
    rows = rows_of(x)
    assert torch.autograd.gradcheck(lambda free: canvas.paint(free, rows)[:, :, 1:5, 1:6], z.requires_grad_())


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)])
def test_a_fourier_image_is_the_sum_of_its_waves(size: tuple[int, int]) -> None:
    z = RNG.normal(torch.arange(1), (3, size[0], size[1] // 2 + 1, 2)).double()
    matrix = torch.tensor([[0.5, 0.2, 0.0], [0.5, 0.0, -0.3], [0.5, -0.2, 0.1]], dtype=torch.float64)
    painted = Fourier(size, power=1.3, colours=matrix).paint(z, torch.tensor([0]))[0]
    scale = slow.spectrum_scale(*size, 1.3)[:, : size[1] // 2 + 1]
    halves = [scale * (part[..., 0].numpy() + 1j * part[..., 1].numpy()) for part in z[0]]
    planes = np.stack([slow.image_of_spectrum(half, size[1]) for half in halves])
    mixed = np.einsum("dc,chw->dhw", matrix.numpy() / np.sqrt(0.75), planes)
    np.testing.assert_allclose(painted, np.vectorize(slow.sigmoid)(mixed), atol=1e-12)


def test_fourier_numbers_of_variance_one_give_values_of_variance_about_one_that_fall_with_frequency() -> None:
    canvas = Fourier((32, 32), colours=torch.eye(1))
    z = RNG.normal(torch.arange(64), (1, 32, 17, 2)).double()
    values = canvas.paint(z, torch.arange(64)).logit()
    assert float(values.var()) == pytest.approx(1, rel=0.15)
    power = torch.fft.rfft2(values, norm="ortho").abs().square().mean((0, 1))
    assert float(power[0, 2] / power[0, 8]) == pytest.approx(16, rel=0.6)


def test_the_colour_factor_squares_to_the_covariance_and_whitens() -> None:
    x = images(8)
    x = torch.einsum("dc,nchw->ndhw", torch.tensor([[1.0, 0.2, 0], [0.5, 0.5, 0], [0.1, 0, 0.4]]).double(), x)
    factor = colour_factor(x)
    pixels = x.transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(factor @ factor.T, np.cov(pixels), atol=1e-12)
    assert factor.norm(dim=0).tolist() == sorted(factor.norm(dim=0).tolist(), reverse=True)
    with pytest.raises(StriateError, match="depend on each other"):
        colour_factor(x[:, :1].expand(-1, 3, -1, -1))


def test_a_patch_is_pasted_where_its_map_says() -> None:
    x, canvas = images(), patch(images())
    z = RNG.uniform(torch.arange(3), (3, 3, 4)).double()
    painted = canvas.paint(z, rows_of(x))
    for row in range(3):
        exact = slow.pasted(x[row].numpy(), z[row].numpy(), canvas.mask.numpy(), canvas.placements[row].numpy())
        np.testing.assert_allclose(painted[row], exact, atol=1e-12)
    shared = patch(x, shared=True).paint(z[:1], rows_of(x))
    torch.testing.assert_close(shared, canvas.paint(z[[0, 0, 0]], rows_of(x)))


def test_placements_lie_in_the_image_and_hang_on_id_and_step_alone() -> None:
    many = torch.arange(200)
    maps = Placement(0.3, 0.6, 45).draw(many, RNG, patch=(3, 4), image=SIZE)
    corners = torch.tensor([[0.0, 0, 1], [4, 0, 1], [4, 3, 1], [0, 3, 1]], dtype=torch.float64)
    places = (torch.linalg.inv(maps) @ corners.T).transpose(1, 2)
    assert float(places[..., 0].min()) >= -1e-9
    assert float(places[..., 0].max()) <= SIZE[1] + 1e-9
    assert float(places[..., 1].min()) >= -1e-9
    assert float(places[..., 1].max()) <= SIZE[0] + 1e-9
    sides = (places[:, 1, :2] - places[:, 0, :2]).norm(dim=1)
    assert float(sides.min()) >= 0.3 * 7
    assert float(sides.max()) <= 0.6 * 7
    assert torch.equal(Placement(0.3, 0.6, 45).draw(many[7:9], RNG, patch=(3, 4), image=SIZE), maps[7:9])
    again = Placement(0.3, 0.6, 45).draw(many, RNG, patch=(3, 4), image=SIZE, step=1)
    assert not bool((again == maps).flatten(1).all(1).any())


def test_a_cppn_paints_what_its_weights_say() -> None:
    canvas = CPPN(2, (3, 4), width=5, depth=3, fitted=False)
    z = canvas.start(torch.zeros(2, 2, 3, 4, dtype=torch.float64), ids=ids(2), rng=RNG)
    assert z.shape == (2, canvas.numbers)
    painted = canvas.paint(z, torch.arange(2))
    for row in range(2):
        exact = slow.pattern(z[row].numpy(), (2, 3, 4), units=5, depth=3)
        np.testing.assert_allclose(painted[row], exact, atol=1e-12)


def test_chosen_pixels_are_so_many_and_later_ones_cover_earlier_ones() -> None:
    x = images()
    canvas = ChosenPixels(x, 2)
    z = torch.zeros(3, 2, 5, dtype=x.dtype)
    z[:, 0, :2], z[:, 1, :2] = torch.tensor([0.0, 1.0]), torch.tensor([3.4 / 7, 4.9 / 9])
    z[1, 1, :2] = torch.tensor([0.01, 0.99])
    z[:, 1, 2:] = torch.tensor([0.1, 0.2, 0.3], dtype=x.dtype)
    painted = canvas.paint(z, rows_of(x))
    changed = (painted != x).any(1).flatten(1).sum(1)
    assert changed.tolist() == [2, 1, 2]
    assert painted[0, :, 0, 8].tolist() == [0, 0, 0]
    assert painted[0, :, 3, 4].tolist() == [0.1, 0.2, 0.3] == painted[1, :, 0, 8].tolist()
    soft = ChosenPixels(x, 1, rounded=False).paint(z[:1, 1:], torch.tensor([0]))
    down, across = 3.4 - 0.5 - 2, 4.9 - 0.5 - 4
    share = (1 - down) * (1 - across)
    torch.testing.assert_close(soft[0, :, 2, 4], (1 - share) * x[0, :, 2, 4] + share * z[0, 1, 2:])


def test_a_pixel_at_the_edge_counts_wholly() -> None:
    x = images()
    z = torch.tensor([0.0, 1.0, 0.1, 0.2, 0.3], dtype=x.dtype).expand(3, 1, 5)
    for rounded in (True, False):
        painted = ChosenPixels(x, 1, rounded=rounded).paint(z, rows_of(x))
        assert painted[:, :, 0, 8].tolist() == [[0.1, 0.2, 0.3]] * 3
        assert bool(((painted != x).any(1).flatten(1).sum(1) == 1).all())


@pytest.mark.parametrize("shared", [False, True])
def test_held_differences_stay_in_the_ball_where_the_sum_rounds_upwards(shared: bool) -> None:
    x = images(dtype=torch.float32, high=0.05)
    region = Ball(x, 8 / 255) & Box()
    canvas, wanted = Delta(x, shared=shared), RNG.normal(torch.arange(3), x.shape[1:])
    held = canvas.hold(wanted[:1] if shared else wanted, region, rows_of(x))
    assert bool(region.contains(canvas.paint(held, rows_of(x)), rows_of(x)).all())
    assert float(held.abs().max()) > 0.999 * 8 / 255


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [1.0, 2.0, torch.inf])
@pytest.mark.parametrize("shared", [False, True])
def test_held_differences_lie_in_the_ball_strictly(dtype: torch.dtype, norm: float, shared: bool) -> None:
    x = images(dtype=dtype).round(decimals=1)
    radius = {1.0: 3.0, 2.0: 0.7, torch.inf: 8 / 255}[norm]
    region = Ball(x, radius, norm) & Box()
    canvas = Delta(x, shared=shared)
    wanted = RNG.normal(torch.arange(1 if shared else 3), x.shape[1:]).to(dtype)
    held = canvas.hold(wanted, region, rows_of(x))
    painted = canvas.paint(held, rows_of(x))
    assert bool(region.contains(painted, rows_of(x)).all())
    if not shared:
        torch.testing.assert_close(painted, region.project(x + wanted, rows_of(x)), atol=2e-7, rtol=1e-6)
    else:
        length = torch.linalg.vector_norm(held[0].double(), norm)
        assert radius * 0.999 < float(length) <= radius * 1.000001


def test_a_latent_leaves_its_generator_as_it_was_and_keeps_codes_within_bounds() -> None:
    module = generator().train()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    canvas = Latent(module, (6,), low=-1.0, least=torch.zeros(6), most=0.5)
    x = images()
    z = canvas.hold(canvas.start(x, ids=ids(), rng=RNG) + 1, Box(), rows_of(x)).requires_grad_()
    (grad,) = torch.autograd.grad(canvas.paint(z, rows_of(x)).sum(), z)
    assert float(grad.abs().max()) > 0
    assert bool(((z >= 0) & (z <= 0.5)).all())
    assert all(each.training for each in module.modules())
    assert all(each.requires_grad and each.grad is None for each in module.parameters())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_chosen_pixels_are_held_in_l0_balls_that_allow_them() -> None:
    x = images()
    canvas, z = ChosenPixels(x, 2), torch.full((3, 2, 5), 1.5, dtype=torch.float64)
    region = Ball(x, 2, 0.0) & Box()
    held = canvas.hold(z, region, rows_of(x))
    assert bool(region.contains(canvas.paint(held, rows_of(x)), rows_of(x)).all())
    assert float(held.max()) == 1
    with pytest.raises(StriateError, match="a radius of at least 2"):
        canvas.hold(z, Ball(x, 1, 0.0) & Box(), rows_of(x))


@pytest.mark.parametrize("name", ["tanh", "patch", "chosen", "bilinear", "fourier", "cppn", "latent"])
def test_a_canvas_that_cannot_be_projected_onto_a_region_says_so(name: str) -> None:
    x = images()
    canvas = canvases(x)[name]
    z = canvas.start(x, ids=ids(), rng=RNG)
    for region in (Ball(x, 0.1), Box(0.2, 2.0), Box(-1.0, 0.8)):
        with pytest.raises(StriateError, match="cannot be projected onto"):
            canvas.hold(z, region, rows_of(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: TanhBox(1.0, 0.0), "tanh box"),
        (lambda x: Delta(x).start(x[:2], ids=ids(2), rng=RNG), "the same shape"),
        (lambda x: Delta(x, shared=True).hold(x[:1], Box(0.2, 0.8), rows_of(x)), "cannot be projected onto"),
        (lambda x: Delta(x).hold(x, Box(2.0, 3.0), rows_of(x)), "added to lies outside"),
        (lambda x: Placement(0.5, 0.4), "0 < low <= high"),
        (lambda x: Patch(x, torch.full((2, 2), 2.0), torch.zeros(3, 3, 3)), "mask of shape"),
        (lambda x: Patch(x, torch.ones(2, 2), torch.zeros(2, 3, 3)), "placements of shape"),
        (lambda x: ChosenPixels(x, 0), "0 chosen pixels; accepted: 1 to 63"),
        (lambda x: Fourier((7, 8)).start(x, ids=ids(), rng=RNG), "for a canvas of"),
        (lambda x: Fourier(SIZE, hair=0.6), "hair"),
        (lambda x: Fourier(SIZE, colours=torch.ones(3, 3)), "cannot be inverted"),
        (lambda x: Fourier(SIZE, colours=torch.eye(2)).start(x, ids=ids(), rng=RNG), "colours of 2 channels"),
        (lambda x: CPPN(1, SIZE).start(x, ids=ids(), rng=RNG), "start of shape"),
        (lambda x: CPPN(3, SIZE, width=0), "numbers above 0"),
        (lambda x: Latent(generator(), (6,), low=1.0), "low < high"),
        (lambda x: Latent(generator(), (6,), least=1.0, most=0.0), "smallest value above"),
        (lambda x: Latent(generator(), (6,)).start(x[..., :5], ids=ids(), rng=RNG), "the generator gives"),
    ],
)
def test_what_does_not_fit_a_canvas_is_refused(make: object, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make(images())


def test_a_grey_canvas_shows_one_channel_in_all_and_starts_at_the_luminance() -> None:
    x = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    canvas, rows = Grey(Fourier((5, 6))), torch.arange(2)
    z = canvas.start(x, ids=rows, rng=Rng(0))
    shown = canvas.paint(z, rows)
    assert shown.shape == x.shape
    assert torch.equal(shown[:, 0], shown[:, 2])
    red, green, blue = x.unbind(1)
    torch.testing.assert_close(shown[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue)
    assert torch.equal(canvas.hold(z, Box(), rows), z)
    with pytest.raises(StriateError, match=r"grey, spectrum .* cannot be projected"):
        canvas.hold(z, Box(0.2, 0.8), rows)
