"""Occlusion maps: what each patch changes recomputed, beside full passes and captum; writes benchmarks/occluding.md.

Patch 16, stride 8, images of 224 x 224: 729 places. The full pass is the best that we can do without recomputing in
part: batch normalisation folded by `striate.nets.fold`, channels last in memory, the best of batches 8, 16 and 32. The
two are timed in alternation, in CPU time of the whole process; a round of the full pass takes a share of the places,
since every place costs it the same. Recording the net and finding its plan are in our time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from timing import cpu_seconds, median_interval
from torch import Tensor

from striate.nets.fold import folded
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.partial.partial import Partial, Replay

HERE = Path(__file__).parent
SIDE, PATCH, STRIDE = 224, 16, 8
ASKED = {
    "vgg11": 7.0,
    "resnet18": 2.5,
    "googlenet": 2.1,
    "resnet50": 1.6,
    "squeezenet1_0": 1.6,
    "densenet121": 1.5,
    "mobilenet_v2": 1.35,
}
PEER = ("squeezenet1_0", "mobilenet_v2")
ROUNDS, PEER_ROUNDS, SAMPLE = 5, 2, 48
STARTS = range(0, SIDE - PATCH + 1, STRIDE)
TOPS = [top for top in STARTS for _ in STARTS]
LEFTS = [left for _ in STARTS for left in STARTS]


def full(net: Net, image: Tensor, places: list[int], batch: int) -> Tensor:
    """Full passes over some places."""
    made = []
    with torch.no_grad():
        for at in range(0, len(places), batch):
            part = places[at : at + batch]
            copies = image.expand(len(part), -1, -1, -1).clone(memory_format=torch.channels_last)
            for copy, place in zip(copies, part, strict=True):
                copy[:, TOPS[place] : TOPS[place] + PATCH, LEFTS[place] : LEFTS[place] + PATCH] = 0.5
            made.append(net(copies))
    return torch.cat(made)


def in_part(net: Net, image: Tensor) -> Tensor:
    """Everything from the net to the outputs of all places."""
    part = Partial(Replay(net, image), image)
    return part.outputs(TOPS, LEFTS, pixels=torch.full((3, PATCH, PATCH), 0.5))


def by_captum(net: Net, image: Tensor, batch: int) -> None:
    """captum's Occlusion of the same places, channels last, normalisation folded as well."""
    from captum.attr import Occlusion

    occluder = Occlusion(net)
    with torch.no_grad():
        occluder.attribute(
            image[None].contiguous(memory_format=torch.channels_last),
            sliding_window_shapes=(3, PATCH, PATCH),
            strides=(3, STRIDE, STRIDE),
            baselines=0.5,
            target=0,
            perturbations_per_eval=batch,
        )


def ratios(
    rounds: int, ours: Callable[[], object], theirs: Callable[[], object], *, times: float
) -> list[tuple[float, float]]:
    """CPU time of ours and of theirs, round by round, in alternation; ``times`` scales theirs."""
    return [(cpu_seconds(ours), times * cpu_seconds(theirs)) for _ in range(rounds)]


def measured(name: str, rounds: int) -> str:
    """One row of the table."""
    net = load_net(f"torchvision/{name}.random").eval().requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image = torch.rand(3, SIDE, SIDE)
        places = torch.randperm(len(TOPS))[:SAMPLE].tolist()
    net = (folded(net, (SIDE, SIDE)) or net).to(memory_format=torch.channels_last)
    found = in_part(net, image)
    expected = full(net, image, places, 16)
    gap = float((found[places] - expected).abs().max() / expected.abs().max())
    best = min((8, 16, 32), key=lambda batch: cpu_seconds(lambda: full(net, image, places, batch)))
    share = Replay(net, image).cost(TOPS, LEFTS, (PATCH, PATCH))
    all_of_them = len(TOPS) / SAMPLE
    pairs = ratios(rounds, lambda: in_part(net, image), lambda: full(net, image, places, best), times=all_of_them)
    mid, low, high = median_interval([theirs / ours for ours, theirs in pairs])
    spent = min(ours for ours, _ in pairs)
    peer = ""
    if name in PEER:
        try:
            both = ratios(PEER_ROUNDS, lambda: in_part(net, image), lambda: by_captum(net, image, best), times=1)
            peer = " and ".join(f"{theirs / ours:.1f}" for ours, theirs in both)
        except ModuleNotFoundError:
            peer = "not installed"
    row = (
        f"| {name} | {ASKED[name]:g} | **{mid:.2f}** | {low:.2f} to {high:.2f} | {best} | {spent:.1f} | {share:.0%} "
        f"| {gap:.1e} | {peer} |"
    )
    print(row, flush=True)
    return row


def main() -> None:
    """All nets, or those named on the command line (then nothing is written)."""
    torch.set_num_threads(1)
    rounds = ROUNDS
    rows = [measured(name, rounds) for name in sys.argv[1:] or ASKED]
    if sys.argv[1:]:
        return
    head = (
        "| Net | asked | full / in part | interval | batch of full | our CPU s | multiply-adds | difference of scale "
        "| captum / ours |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    text = f"""# Occlusion: what each patch changes, and full passes

Written by `benchmarks/occluding.py`: patch {PATCH}, stride {STRIDE}, {SIDE} x {SIDE}, {len(TOPS)} places, random
weights (the same work as trained ones), one thread; {rounds} rounds in alternation, median and range, CPU time of the
process. "Full" is the best of batches 8, 16, 32, channels last, batch normalisation folded, scaled from {SAMPLE}
places; "in part" is everything from the folded net to the outputs of all places. The difference is the largest between
both, over the largest output. captum: its Occlusion on the same folded net, same batch, each of {PEER_ROUNDS} rounds.

{head}
{chr(10).join(rows)}
"""
    (HERE / "occluding.md").write_text(text)


if __name__ == "__main__":
    main()
