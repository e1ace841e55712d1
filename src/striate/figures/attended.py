"""What a vision transformer has learnt of the grid of its patches."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.inside.attention.positions import near_and_far, position_cosines, position_embedding
from striate.inside.attention.tiles import tiled
from striate.inside.attention.tokens import TokenGrid, token_grid
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.loop import fit
from striate.training.recipe import AdamW, Augment
from striate.training.recipes import MOMENTUM
from striate.training.schedules import Schedule

from .claims import Computed, claim, holds

SAMPLES = 60_000
SEEDS = (0, 1)


def vit_positions() -> Computed:
    """Learnt positions of a small transformer are alike for neighbours, whatever the seed; nobody told it the grid."""
    nets = [_trained(seed) for seed in SEEDS]
    fresh = load_net("striate/vit_tiny.random", size=28, channels=1)
    grid = token_grid(fresh, (28, 28))
    trained = [_cosines(net, grid) for net in nets]
    ordered = [_order(cosines, grid) for cosines in trained]
    near, far = _order(_cosines(fresh, grid), grid)
    words = ", ".join(f"{one:.2f} and {other:.2f}" for one, other in ordered)
    return Computed(
        (
            claim("patches of a 28 x 28 image", grid.rows * grid.columns, 49, note="the paper's nets have 14 x 14"),
            holds(
                f"neighbours have more alike positions than patches half the grid apart, by seed: {words}",
                all(one > other + 0.05 for one, other in ordered),
                note="mean cosine; of Dosovitskiy et al. 2021, figure 7, there of a net trained on 300 million",
            ),
            holds(f"before training they have not: {near:.2f} and {far:.2f}", abs(near - far) < 0.05),
        ),
        tiled(trained[0].view(grid.rows, grid.columns, grid.rows, grid.columns), (-1.0, 1.0), signed=True),
    )


def _cosines(net: Net, grid: TokenGrid) -> Tensor:
    found = position_embedding(net, grid)
    assert found is not None
    return position_cosines(found[1])


def _order(cosines: Tensor, grid: TokenGrid) -> tuple[float, float]:
    (near, _), (far, _) = near_and_far(cosines, grid)
    return near, far


def _trained(seed: int) -> Net:
    """The small transformer after 60,000 images of FashionMNIST."""
    try:
        splits = load_splits("FashionMNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"vit-positions needs FashionMNIST ({error})", accepted="FashionMNIST in the folder STRIATE_DATA"
        ) from error
    recipe = replace(
        MOMENTUM,
        name="plain",
        optimizer=AdamW(rate=2e-3, weight_decay=0.05),
        schedule=Schedule("one_cycle", {"warm": 0.1, "start": 0.1, "end": 0.02}),
        samples=SAMPLES,
        batch=64,
        label_smoothing=0.0,
        augment=Augment(),
    )
    with tempfile.TemporaryDirectory() as folder:
        fit("striate/vit_tiny", splits, out=Path(folder) / "run", recipe=recipe, seed=seed)
        return load_net(str(Path(folder) / "run"))
