"""Sanity: whether maps change when the weights of the net become random, layer by layer from the output down."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.inside.attribution.maps import Maps
from striate.metrics.likeness import spearman, ssim
from striate.nets.net import Net

from .faithfulness.controls import edge_maps
from .faithfulness.ranking import mean_of
from .faithfulness.scores import planes
from .payload import SanityRow

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the layers; 0 stands for the last layer alone
BOUND = 0.5  # of the mean rank correlation: guided backpropagation and edges stay above it, the gradient far below
Making = Callable[[Net, Tensor, Tensor], Maps]


def layers_with_weights(net: Net, size: tuple[int, int]) -> tuple[str, ...]:
    """Paths of the modules that hold weights of their own, in the order in which they run, each once.

    Raises:
        StriateError: There are none.
    """
    modules = dict(net.module.named_modules())
    ran = [site.module for site in net.sites(size) if site.module in modules]
    own = [path for path in dict.fromkeys(ran) if any(True for _ in modules[path].parameters(recurse=False))]
    late = [path for path, each in modules.items() if path not in own and any(True for _ in each.parameters(False))]
    if not own and not late:
        raise StriateError(f"{net.name} has no weights to draw anew")
    return (*late, *own)  # what runs out of sight (a class token, say) counts as early


def randomised(net: Net, layers: Sequence[str], *, seed: int = 0) -> Net:
    """A copy of the net in which the weights of these modules are random: each tensor's own values, shuffled.

    So mean, spread and every other moment of a layer's weights stay as they are; the net itself is left alone. Running
    statistics of normalisation stay too. A layer's shuffle depends on the seed and its path alone.
    """
    other = copy.deepcopy(net)
    modules: dict[str, nn.Module] = dict(other.module.named_modules())
    with torch.no_grad():
        for path in layers:
            for name, values in modules[path].named_parameters(recurse=False):
                draw = torch.Generator().manual_seed(Rng(seed, f"sanity/{path}/{name}").torch_seed())
                order = torch.randperm(values.numel(), generator=draw).to(values.device)
                values.copy_(values.flatten()[order].view_as(values))
    return other


def cascade(
    net: Net,
    images: Tensor,
    targets: Tensor,
    makers: Mapping[str, Making],
    *,
    originals: Mapping[str, Maps],
    depths: Sequence[float] = DEPTHS,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[SanityRow, ...]:
    """How alike each method's maps of the net and of ever more random copies of it are; edges of the image last.

    Costs each method's own passes once a depth. The targets stay those of the net.

    Args:
        net: The net; it is left bit for bit as found.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        makers: By method: a net, images and targets to maps.
        originals: By method: the maps of the net as it is.
        depths: Shares of the layers with weights that are random, from the output down; at least one layer is.
        seed: Of the shuffles.
        progress: How progress is shown.

    Raises:
        StriateError: Depths that are no shares, or a net without weights.

    Source: Adebayo et al. 2018, sections 3.1 and 4.1 (cascading randomisation; rank correlation and structural
    similarity). They draw weights as a fresh net has them; here each layer's own are shuffled. The bound, on the mean
    rank correlation over the depths, is ours.
    """
    if not depths or not all(0 <= depth <= 1 for depth in depths):
        raise StriateError(f"depths are {tuple(depths)}", accepted="shares of the layers from 0 to 1")
    layers = layers_with_weights(net, (images.shape[-2], images.shape[-1]))
    counts = list(dict.fromkeys(max(1, math.ceil(depth * len(layers))) for depth in depths))
    shares = tuple(number / len(layers) for number in counts)
    first = {method: planes(each.values, signed=each.signed) for method, each in originals.items()}
    ranks: dict[str, list[Tensor]] = {method: [] for method in makers}
    structures: dict[str, list[Tensor]] = {method: [] for method in makers}
    with progress.task("random weights", len(counts) * len(makers), unit="maps of all images") as step:
        for number in counts:
            other = randomised(net, layers[-number:], seed=seed)
            for method, maker in makers.items():
                found = maker(other, images, targets)
                maps = planes(found.values, signed=found.signed)
                ranks[method].append(spearman(first[method], maps))
                structures[method].append(ssim(first[method], maps))
                step()
    edges = edge_maps(images)
    ranks["edge"] = [spearman(edges, edges)] * len(counts)
    structures["edge"] = [ssim(edges, edges)] * len(counts)
    return tuple(
        _row(method, shares, torch.stack(ranks[method]), torch.stack(structures[method]), seed) for method in ranks
    )


def _row(method: str, depths: tuple[float, ...], ranks: Tensor, structures: Tensor, seed: int) -> SanityRow:
    """``ranks`` and ``structures`` have shape (depths, N)."""
    return SanityRow(
        method,
        depths,
        tuple(mean_of(each, seed) for each in ranks),
        tuple(mean_of(each, seed) for each in structures),
        BOUND,
        holds=float(ranks.mean()) <= BOUND,
    )
