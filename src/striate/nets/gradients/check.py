"""Gradients by the backward pass against central differences, in float64: parameters, pixels, every operation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.nets.net import Net
from striate.nets.site import Site

from .payload import GradientCheck, SlopeCheck

STEPS = (1e-5, 1e-6, 1e-7)  # from one to the next a kink of a net is left behind, rounding still far away
BOUND = 1e-5
APART = 1e-4  # of a unit: two zeros behind a ReLU are no tie for the maximum any more
Function = Callable[[], Tensor]


def check_gradients(
    net: Net,
    images: Tensor,
    *,
    directions: int = 4,
    bound: float = BOUND,
    training: bool = False,
    seed: int = 0,
    progress: Progress = SILENT,
) -> GradientCheck:
    """Every gradient of a float64 copy of ``net``, of a random mixture of its outputs on ``images`` (N, C, H, W).

    A slope by the backward pass is compared with central differences along a random direction and along single
    coordinates, the steepest first. Where they differ the step shrinks twice: a kink that lay in between is then left
    behind; one that lies at the very point leaves the slopes to its two sides apart, and there nothing is compared.
    What still differs is wrong. The first operation back from the output at which that begins is the culprit.

    The net itself is not touched; with ``training`` it is checked in training mode (statistics of the batch; the same
    random masks in every pass), without the single operations. Cost: two or three passes for each direction.

    Source: Ng 2011, UFLDL, "Gradient checking"; central differences err by h squared. The relative difference divides
    by the larger of both slopes, or by what float64 can resolve at that step.
    """
    double = net.with_module(copy.deepcopy(net.module).double())
    pixels = images.detach().double().clone()
    named = {name: each for name, each in double.module.named_parameters() if each.is_floating_point()}
    state = {name: each.clone() for name, each in double.module.state_dict().items()}
    double.train(training)

    def run() -> Tensor:
        if training:  # a pass moves the statistics of the batch
            for name, each in double.module.state_dict().items():
                each.copy_(state[name]) if name not in named else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(Rng(seed, "gradients/masks").torch_seed())
            return mixed(double(pixels), seed)

    sites = () if training else double.sites((pixels.shape[-2], pixels.shape[-1]))
    inner: list[SlopeCheck] = []
    with progress.task("checking gradients", len(named) + len(sites) + 1, unit="tensors") as done:
        found = []
        for name, each in {"input": pixels, **named}.items():
            found += check_slopes(run, {name: each}, directions=directions, bound=bound, seed=seed)
            done()
        for name, function, added in site_functions(double, pixels, sites, seed) if sites else ():
            inner += check_slopes(function, {name: added}, directions=max(directions - 2, 1), bound=bound, seed=seed)
            done()
    return GradientCheck(
        net=net.name,
        images=len(images),
        step=STEPS[0],
        bound=bound,
        training=training,
        input=found[0],
        parameters=tuple(found[1:]),
        sites=tuple(inner),
        culprits=culprits(sites, found[0], found[1:], inner),
    )


def check_slopes(
    function: Function, tensors: Mapping[str, Tensor], *, directions: int = 4, bound: float = BOUND, seed: int = 0
) -> list[SlopeCheck]:
    """The gradient of ``function()``, one number in float64, by each of the ``tensors`` that it reads.

    The tensors are leaves in float64, moved in place and put back.
    """
    leaves = {name: each.requires_grad_() for name, each in tensors.items()}
    value = function()
    reached = value.requires_grad
    grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True) if reached else [None] * len(leaves)
    start = float(value.detach())
    found = []
    for (name, leaf), grad in zip(leaves.items(), grads, strict=True):
        known = torch.zeros_like(leaf) if grad is None else grad
        ways = chosen_directions(known, directions, Rng(seed, f"gradients/{name}"))
        told = []
        for way in ways:
            predicted = float((known * way).sum())
            with _moved(function, leaf, way) as along:
                gap, slope, kink = compare(along, start, predicted, bound)
            told.append((gap, predicted, slope, kink))
        gap, predicted, slope, _ = max(told)
        kinks, shape = sum(each[3] for each in told), tuple(leaf.shape)
        found.append(SlopeCheck(name, shape, len(ways), kinks, gap, predicted, slope, gap <= bound, grad is not None))
    return found


@contextmanager
def _moved(function: Function, leaf: Tensor, way: Tensor) -> Iterator[Callable[[float], float]]:
    """Inside: the function so far along ``way`` from where the leaf is; afterwards the leaf is there again."""
    place = leaf.detach().clone()

    def along(step: float) -> float:
        leaf.copy_(place + step * way)
        return float(function())

    with torch.no_grad():
        yield along
        leaf.copy_(place)


def chosen_directions(grad: Tensor, count: int, rng: Rng) -> list[Tensor]:
    """One random direction of length 1, then coordinates: the steepest, and others at random."""
    flat = grad.flatten()
    mixed = _normal(grad, rng)
    order = torch.argsort(flat.abs(), descending=True)[: max(count // 2, 1)].tolist()
    others = rng.permutation(len(flat), step=1)[: max(count - 1 - len(order), 0)].tolist()
    places = list(dict.fromkeys([*order, *others]))[: max(count - 1, 0)]
    return [mixed / mixed.norm(), *(_unit(grad, place) for place in places)]


def compare(along: Callable[[float], float], start: float, predicted: float, bound: float) -> tuple[float, float, bool]:
    """Relative difference of a predicted slope at 0 from that by differences, the latter, and whether there is a kink.

    ``along(t)`` is the function, ``start`` its value at 0.
    """
    gaps = []
    for step in STEPS:
        up, down = along(step), along(-step)
        noise = 8 * torch.finfo(torch.float64).eps * max(abs(up), abs(down), abs(start)) / step
        right, left, central = (up - start) / step, (start - down) / step, (up - down) / (2 * step)
        gap = abs(central - predicted) / max(abs(central), abs(predicted), noise / bound, 1e-300)
        gaps.append((gap, central))
        if gap <= bound:
            return gap, central, step != STEPS[0]
    spread = abs(right - left)
    if spread > 2 * (bound * max(abs(right), abs(left)) + noise):
        return 0.0, central, True  # a kink at the very point: there is no slope to compare with
    return (*min(gaps), False)


def culprits(
    sites: Sequence[Site], pixels: SlopeCheck, parameters: Sequence[SlopeCheck], inner: Sequence[SlopeCheck]
) -> tuple[str, ...]:
    """Operations that get a right gradient and hand on a wrong one, or at which the way back ends."""
    right = {each.name: each.right for each in inner} | {"input": pixels.right}
    takers: dict[str, list[str]] = {name: [] for name in right}
    for site in sites:
        for name in site.inputs:
            takers.get(name, []).append(site.name)
    order = [site.name for site in sites]
    ends = {each.name for each in inner if not each.reached}
    found: list[str] = []
    for name, fine in right.items():
        after = takers[name] or (order[order.index(name) + 1 :][:1] if name in order else [])
        if fine or not all(right[each] for each in after):
            continue  # the fault, if there is one, lies further on
        found += after if name not in ends else [name]
    for each in parameters:
        owner = [site.name for site in sites if site.module and each.name.rpartition(".")[0] == site.module]
        found += [name for name in owner if not each.right and right.get(name, False)]
    return tuple(dict.fromkeys(found))


def mixed(output: Tensor, seed: int) -> Tensor:
    """One number of all outputs: with fixed normal weights no gradient vanishes by symmetry, as it may for a sum."""
    return (output * _normal(output, Rng(seed, "gradients/mixture"))).sum()


def site_functions(
    net: Net, pixels: Tensor, sites: Sequence[Site], seed: int
) -> Iterator[tuple[str, Function, Tensor]]:
    """For each operation: the function of what is added to its output, and that, so little that only ties part."""
    shapes: dict[str, tuple[int, ...]] = {}

    def measured(site: Site, output: Tensor, rows: Tensor) -> Tensor:
        del rows
        shapes[site.name] = tuple(output.shape)
        return output

    with torch.no_grad(), net.look(edits={site.name: measured for site in sites}) as see:
        see(pixels)
    for name, shape in shapes.items():
        like = torch.zeros(shape, dtype=torch.float64)
        added = APART * _normal(like, Rng(seed, f"gradients/apart/{name}"))

        def run(name: str = name, added: Tensor = added) -> Tensor:
            def shifted(site: Site, output: Tensor, rows: Tensor) -> Tensor:
                del site, rows
                return output + added

            with net.look(edits={name: shifted}) as see:
                return mixed(see(pixels).output, seed)

        yield name, run, added


def _normal(like: Tensor, rng: Rng) -> Tensor:
    return rng.normal(torch.zeros(1, dtype=torch.int64), tuple(like.shape))[0].to(like.dtype)


def _unit(like: Tensor, place: int) -> Tensor:
    way = torch.zeros_like(like, memory_format=torch.contiguous_format)
    way.view(-1)[place] = 1.0
    return way
