"""Starting weights that depend on the seed alone, and torch's global randomness left as it was.

A scheme fills the weights of convolutions, linear layers and attention's projections, and sets their biases to 0 and
what normalises to scale 1, shift 0. All else (embeddings, positions, class tokens, fixed filters) stays as it was
built; `untouched` names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from striate.core.errors import RunError
from striate.core.rng import Rng
from striate.nets.undisturbed import undisturbed

from .schemes import INITS, NEED_IMAGES

CONNECTIONS = 15  # of a unit under `sparse`, as in the paper
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WEIGHTED = (*_CONVOLUTIONS, *_TRANSPOSED, nn.Linear)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


@contextmanager
def seeded(seed: int, name: str, *, step: int = 0) -> Iterator[None]:
    """Inside, torch's global generators start from (seed, name, step); afterwards they go on as if nothing had been."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(Rng(seed, name).torch_seed(step=step))
        yield


@dataclass(frozen=True)
class Matrix:
    """The weights of one layer as a scheme sees them.

    Attributes:
        path: The layer's path in the net.
        weight: A view (out, in, *kernel) of one group's weights; writing into it writes into the layer.
        inward: Fan-in: products behind one output.
        outward: Fan-out: products that one input takes part in, strides not counted.
        parameter: The parameter that holds the weights.
    """

    path: str
    weight: Tensor
    inward: int
    outward: int
    parameter: nn.Parameter


def matrices(module: nn.Module) -> Iterator[Matrix]:
    """Every weight that a scheme fills, each once, a grouped convolution group by group, in the order of the modules.

    What asks for no gradient is left out, and so are weights that are computed from others (parametrizations).
    """
    seen: set[int] = set()
    for path, layer in module.named_modules():
        name = "in_proj_weight" if isinstance(layer, nn.MultiheadAttention) else "weight"
        weight = layer._parameters.get(name) if isinstance(layer, (*_WEIGHTED, nn.MultiheadAttention)) else None
        if weight is None or not weight.requires_grad or id(weight) in seen or weight.numel() == 0:
            continue
        seen.add(id(weight))
        for part in _groups(layer, weight.detach()):
            kernel = math.prod(part.shape[2:])
            yield Matrix(path, part, part.shape[1] * kernel, part.shape[0] * kernel, weight)


def _groups(layer: nn.Module, weight: Tensor) -> Sequence[Tensor]:
    """Views (out, in, *kernel): the groups of a convolution, the three projections of attention."""
    if isinstance(layer, nn.MultiheadAttention):
        return weight.chunk(3)
    if isinstance(layer, _TRANSPOSED):  # its weights lie as (in, out / groups, *kernel)
        return [part.transpose(0, 1) for part in weight.chunk(layer.groups)]
    return weight.chunk(layer.groups) if isinstance(layer, _CONVOLUTIONS) else [weight]


def _fill(module: nn.Module, draw: Callable[[Matrix], Any]) -> None:
    with torch.no_grad():
        for each in matrices(module):
            draw(each)
        for layer in module.modules():
            if isinstance(layer, _NORMS):
                layer.reset_parameters()
            for name in ("bias", "in_proj_bias"):
                bias = layer._parameters.get(name)
                if isinstance(layer, (*_WEIGHTED, nn.MultiheadAttention)) and bias is not None and bias.requires_grad:
                    bias.zero_()


def built(module: nn.Module) -> None:
    """As the layers draw by themselves: nothing is changed."""
    del module


def zeros(module: nn.Module) -> None:
    """All weights 0: every unit of a layer gets the same gradient for ever, or none."""
    _fill(module, lambda it: it.weight.zero_())


def constant(module: nn.Module) -> None:
    """Every weight 1 / fan-in: a unit gives the mean of its inputs, and all units of a layer stay alike."""
    _fill(module, lambda it: it.weight.fill_(1 / it.inward))


def normal_01(module: nn.Module) -> None:
    """Normal weights of deviation .01, whatever the layer's size.

    Source: Krizhevsky et al. 2012, section 5 (whose biases are 1 in some layers; ours are 0).
    """
    _fill(module, lambda it: it.weight.normal_(0, 0.01))


def sparse(module: nn.Module) -> None:
    """Each unit has 15 incoming weights (all, where there are fewer) that are standard normal; the others are 0.

    Source: Martens 2010, "Deep learning via Hessian-free optimization", section 5. Made for saturating units; under
    rectifiers the variance grows by up to 15 / 2 a layer.
    """

    def draw(it: Matrix) -> None:
        rows, inputs = it.weight.shape[0], it.inward
        kept = min(CONNECTIONS, inputs)
        chosen = torch.rand(rows, inputs).topk(kept, dim=1).indices
        flat = torch.zeros(rows, inputs).scatter_(1, chosen, torch.randn(rows, kept))
        it.weight.copy_(flat.view(it.weight.shape))

    _fill(module, draw)


def xavier_normal(module: nn.Module) -> None:
    """Normal weights of variance 2 / (fan-in + fan-out).

    Source: Glorot & Bengio 2010, equation 12.
    """
    _fill(module, lambda it: it.weight.normal_(0, math.sqrt(2 / (it.inward + it.outward))))


def xavier_uniform(module: nn.Module) -> None:
    """Uniform weights within sqrt(6 / (fan-in + fan-out)).

    Source: Glorot & Bengio 2010, equation 16.
    """

    def draw(it: Matrix) -> None:
        bound = math.sqrt(6 / (it.inward + it.outward))
        it.weight.uniform_(-bound, bound)

    _fill(module, draw)


def he_normal(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-in.

    Source: He et al. 2015, "Delving deep into rectifiers", equation 10.
    """
    _fill(module, lambda it: it.weight.normal_(0, math.sqrt(2 / it.inward)))


def he_uniform(module: nn.Module) -> None:
    """Uniform weights within sqrt(6 / fan-in), so of variance 2 / fan-in.

    Source: He et al. 2015, equation 10, drawn uniformly.
    """

    def draw(it: Matrix) -> None:
        bound = math.sqrt(6 / it.inward)
        it.weight.uniform_(-bound, bound)

    _fill(module, draw)


def orthogonal(module: nn.Module) -> None:
    """Weights as (out, fan-in) matrices with orthonormal rows, or columns where there are more rows than columns.

    Source: Saxe et al. 2014, section 4, gain 1. Drawn evenly (Haar) by QR with the signs of R's diagonal.
    """
    _fill(module, lambda it: it.weight.copy_(_orthonormal(it.weight.shape[0], it.inward).view(it.weight.shape)))


def delta_orthogonal(module: nn.Module) -> None:
    """As `orthogonal`, but across channels alone and at the kernel's centre; around it a kernel is 0.

    Source: Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs", algorithm 1 (theirs wants at least
    as many outputs as inputs; where there are fewer, ours has orthonormal rows).
    """

    def draw(it: Matrix) -> None:
        it.weight.zero_()
        centre = it.weight
        for side in it.weight.shape[2:]:
            centre = centre.select(2, side // 2)
        centre.copy_(_orthonormal(it.weight.shape[0], it.weight.shape[1]))

    _fill(module, draw)


def _orthonormal(rows: int, columns: int) -> Tensor:
    tall = torch.randn(max(rows, columns), min(rows, columns), dtype=torch.float64)
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    placed: Tensor = q if rows >= columns else q.T
    return placed.to(torch.float32)


def initialise(module: nn.Module, scheme: str, *, seed: int, images: Tensor | None = None) -> None:
    """Fill ``module`` in place by the scheme of this name; the draws depend on the seed alone.

    Args:
        module: A module, or a `Net` where the scheme looks at images.
        scheme: Name in `INITS`.
        seed: Of the draws.
        images: Training images as the module takes them, for `NEED_IMAGES`.

    Raises:
        UnknownNameError: No such scheme.
        RunError: The scheme needs images and there are none.
    """
    fill = INITS.load(scheme)
    if scheme in NEED_IMAGES and images is None:
        raise RunError(f"init {scheme} without images", accepted="training images, for it scales layers by them")
    with seeded(seed, "train/init"):
        fill(module)
    if scheme in NEED_IMAGES and images is not None:
        scale_to_unit_variance(module, images)


@torch.no_grad()
def scale_to_unit_variance(module: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Scale each layer's weights in place so that its outputs on ``images`` have variance 1; gives the layers' paths.

    Biases must be 0, as all schemes leave them: outputs are then linear in the weights, so one pass is enough and
    exact, where the paper repeats passes up to ten times until the variance is within .1 of 1. Batch norm uses the
    statistics of these images, as in training. A layer of constant output, one that runs again, and projections that
    attention computes by itself are left alone.

    Source: Mishkin & Matas 2016, "All you need is a good init", algorithm 1.
    """
    filled: dict[str, list[Matrix]] = {}
    for each in matrices(module):
        filled.setdefault(each.path, []).append(each)
    done: list[str] = []

    def rescale(path: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def hook(_layer: nn.Module, _given: Any, output: Tensor) -> Tensor:
            deviation = float(output.double().std())
            if path in done or not deviation > 0:
                return output
            done.append(path)
            for each in filled[path]:
                each.weight.div_(deviation)
            return output / deviation

        return hook

    with undisturbed(module):
        for layer in module.modules():
            if isinstance(layer, _NormBase):
                layer.train()
        for path in filled:
            module.get_submodule(path).register_forward_hook(rescale(path))  # undisturbed takes it away again
        module(images)
    return tuple(done)


def set_prior(module: nn.Module, counts: Sequence[int]) -> bool:
    """Set the bias of the last linear layer to the logarithms of the classes' shares; False where none fits.

    A net whose last weights give 0 on average then starts at the loss of always saying these shares.

    Source: Lin et al. 2017, "Focal loss", section 3.3, for two classes; here for any number.
    """
    shares = torch.tensor(counts, dtype=torch.float64)
    heads = [each for each in module.modules() if isinstance(each, nn.Linear) and each.bias is not None]
    if not heads or heads[-1].out_features != len(counts) or not bool((shares > 0).all()):
        return False
    with torch.no_grad():
        heads[-1].bias.copy_((shares / shares.sum()).log())
    return True


def untouched(module: nn.Module) -> tuple[str, ...]:
    """Paths of the parameters that no scheme changes: embeddings, positions, tokens, what asks for no gradient."""
    filled = {id(each.parameter) for each in matrices(module)}
    biases = {
        id(layer._parameters.get(name))
        for layer in module.modules()
        if isinstance(layer, (*_WEIGHTED, nn.MultiheadAttention))
        for name in ("bias", "in_proj_bias")
    }
    norms = {id(one) for layer in module.modules() if isinstance(layer, _NORMS) for one in layer.parameters(False)}
    known = filled | norms | biases
    return tuple(name for name, each in module.named_parameters() if id(each) not in known or not each.requires_grad)
