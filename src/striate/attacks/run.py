"""`attack`: images in, the worst that was found out."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from striate.core.allocator import memory_kept
from striate.core.errors import StriateError
from striate.core.norms import parse_norm
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.imageopt.found import Found
from striate.imageopt.search.stay import Stay
from striate.imageopt.solve import solve
from striate.nets.net import Net
from striate.nets.passes import counting

from .catalog import METHODS
from .check import check_method, check_radius, checked_labels
from .measured import attack_data
from .method import Running, Threat, within_radius
from .ready import Ready, made_ready

__all__ = ["attack", "attack_data", "check_radius"]


def attack(
    net: Net,
    images: Tensor,
    labels: Tensor,
    *,
    method: str = "pgd",
    norm: float | str = math.inf,
    radius: float | None = None,
    steps: int | None = None,
    target: int | None = None,
    restarts: int = 1,
    seed: int = 0,
    levels: bool = False,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Found:
    """The images within ``radius`` of the given ones that fool the net, or came nearest to it.

    Success is what a forward pass on the returned image says: any class but the label, or the target. An image that
    is so from the start is returned unchanged with ``step`` 0 and costs no more than one forward pass. Restarts go on
    with the images that are not fooled yet. A net with random outputs is looked at 20 times an evaluation; where an
    operation lets no gradient through, gradients are handed on as they come.

    Args:
        net: Its outputs are logits or probabilities.
        images: Pixels (N, C, H, W) in [0, 1].
        labels: True classes (N,).
        method: Name in `METHODS`.
        norm: Norm that measures the change.
        radius: Largest change; it holds strictly for the returned images, in float64. Methods that look for the
            nearest image may go without, and then give it however far it is; with one, images that are further away
            are given back unchanged.
        steps: Steps at most; by default the method's.
        target: Class to be taken for; by default any but the label.
        restarts: Runs from other random starts.
        seed: Seed of every random draw.
        levels: Search images of 8 bits alone, so that whatever fools does so as a file too; images must be of 8 bits.
        ids: Ids (N,) that random draws hang on; by default made from the pixels.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.

    Raises:
        StriateError: Something does not fit; the message says what was given and what is taken.

    >>> from striate.nets.load import load_net
    >>> from striate.data.load import load_data
    >>> data = load_data("shapes").limit(8)
    >>> found = attack(load_net("striate/small"), data.images(), data.labels, radius=8 / 255)
    >>> bool((found.distances["inf"] <= 8 / 255).all())
    True
    """
    page, order = METHODS.load(method), parse_norm(norm)
    taken = check_method(method, page, norm=order, steps=steps, target=target)
    if radius is None and not page.nearest:
        raise StriateError(f"no radius for {method}", accepted="one in units of [0, 1] pixels, such as 8 / 255")
    radius = math.inf if radius is None else check_radius(radius, order, images.shape[1:])
    labels = checked_labels(net, images, labels, target)
    if restarts < 1 or (restarts > 1 and not page.random):
        raise StriateError(
            f"restarts is {restarts}", accepted="at least 1" if page.random else f"1: {method} draws nothing at random"
        )
    ids = image_ids(images) if ids is None else ids
    settled = math.inf if page.nearest else radius
    with counting() as passes, memory_kept(), made_ready(net, images, seed=seed, gradients=page.gradients) as ready:
        found = as_they_are(net, images, labels, target, memory)
        assert found.output is not None  # the goal reads it
        threat = Threat(labels, found.output, order, settled, target)
        for restart in range(restarts):
            rows = (~found.success).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            running = _running(
                seed, restart, ids[rows.cpu()], method, ready, levels=levels, memory=memory, progress=progress
            )
            now = page(ready.net, images[rows], threat.of(rows), steps=taken, running=running)
            found = found.updated(now, rows) if restart else found.replaced(now, rows)
    found = replace(found, passes={"forward": passes.forward, "backward": passes.backward})
    return within_radius(found, images, threat, radius) if page.nearest else found


def _running(
    seed: int, restart: int, ids: Tensor, method: str, ready: Ready, *, levels: bool, memory: int, progress: Progress
) -> Running:
    return Running(
        seed=Rng(seed, "attack/restart").torch_seed(step=restart) if restart else seed,
        ids=ids,
        memory=memory,
        progress=progress,
        label=f"attack {method}" + (f", restart {restart}" if restart else ""),
        draws=ready.draws,
        levels=levels,
    )


def as_they_are(net: Net, images: Tensor, labels: Tensor, target: int | None, memory: int) -> Found:
    """Which images are what the attacker wants without any change: those are not attacked."""
    threat = Threat(labels, labels, math.inf, 0.0, target)
    return solve(
        net,
        threat.loss,
        start=images,
        search=Stay(),
        steps=1,
        goal=threat.goal,
        keep="first",
        memory=memory,
    )
