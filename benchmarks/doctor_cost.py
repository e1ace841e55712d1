"""What watching costs a training that is not ours: the same PyTorch loop with `striate.watch` around it and without.

    python benchmarks/doctor_cost.py        writes benchmarks/doctor_cost.md

Two figures for each net. *While it trains*: CPU time of the steps inside the block over those of the bare loop; blocks
alternate in one process. *Once*: CPU time of the looks before the first step and after the last, as a number of bare
steps; it does not grow with the length of the training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.nn.functional as F
from timing import median_interval
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import striate
from striate.nets.load import load_net

ROUNDS, LIMIT, SAMPLES = 11, 1.05, 2_048
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], int, int]] = {
    # net, shape of an input, batch, steps a block
    "linear, 28 x 28": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (1, 28, 28), 64, 1_200),
    "MLP 784-256-256-10": (
        lambda: nn.Sequential(
            nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        ),
        (1, 28, 28),
        64,
        800,
    ),
    "striate/small, 32 x 32": (lambda: load_net("striate/small").module, (3, 32, 32), 64, 120),
    "striate/resnet20, 32 x 32": (lambda: load_net("striate/resnet20.random").module, (3, 32, 32), 64, 40),
}


def block(
    build: Callable[[], nn.Module], x: Tensor, y: Tensor, batch: int, steps: int, *, watched: bool
) -> tuple[float, float]:
    """CPU seconds of the steps, and of the looks before and after."""
    torch.manual_seed(0)
    model = build().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True)
    spent = [0.0, 0.0]

    def train() -> None:
        begun, done = time.process_time(), 0
        while done < steps:
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                done += 1
                if done == steps:
                    break
        spent[0] = time.process_time() - begun

    begun = time.process_time()
    if watched:
        with striate.watch(model, optimizer, F.cross_entropy, train=loader, test=(x[:512], y[:512]), quiet=True):
            train()
    else:
        train()
    spent[1] = time.process_time() - begun - spent[0]
    return spent[0], spent[1]


def main() -> None:
    """Measure every net and write the table."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    rows, held = [], True
    for name, (build, shape, batch, steps) in NETS.items():
        y = torch.randint(10, (SAMPLES,), generator=draw)
        x = torch.randn(SAMPLES, *shape, generator=draw) + y.float().reshape(-1, 1, 1, 1) / 10
        block(build, x, y, batch, 20, watched=True)  # what is loaded and chosen once
        ratios, fixed, bare = [], [], []
        for index in range(ROUNDS):
            found = {}
            for watched in (True, False) if index % 2 else (False, True):
                found[watched] = block(build, x, y, batch, steps, watched=watched)
            ratios.append(found[True][0] / found[False][0])
            bare.append(found[False][0] / steps)
            fixed.append(found[True][1] / bare[-1])
        middle, low, high = median_interval(ratios)
        once = median_interval(fixed)
        held &= middle <= LIMIT
        rows.append(
            f"| {name} | {steps} | {1e3 * median_interval(bare)[0]:.2f} | **{middle:.3f}** | {low:.3f} to {high:.3f} | "
            f"{once[0]:,.0f} | {once[0] / (LIMIT - middle) if middle < LIMIT else float('nan'):,.0f} |"
        )
        print(rows[-1], flush=True)
    text = f"""# What the doctor costs

Command: `python benchmarks/doctor_cost.py`, {datetime.now(UTC):%Y-%m-%d}. torch {torch.__version__}, CPU, 1 thread.

The same loop with `striate.watch` around it and without, batch 64, {ROUNDS} blocks of each, alternating in one process.
*Ratio* is that of the CPU time of the steps, its median with the 95 % interval between order statistics. *Once* is
what the looks before the first and after the last step take, as a number of bare steps; with it, the whole stays
within {LIMIT - 1:.0%} from the number of steps in the last column on.

| net | steps a block | bare step, CPU ms | ratio | 95 % interval | once, in bare steps | within {LIMIT - 1:.0%} from |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Wanted: a median of at most {LIMIT}. {"It holds." if held else "It does not hold for all."}
"""
    Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
