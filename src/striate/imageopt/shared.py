"""`solve_shared`: the twin of `solve` where one variable serves many images, such as a universal perturbation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net

from .canvas import Canvas
from .goal import Goal, none
from .objective import Objective
from .problem import Answer, Search
from .region import Box, Region
from .running import GOLDEN, Look, Shown
from .solve import best_format, chunk_of, looked_at
from .view import View

Canvases = Callable[[int], Canvas]  # the canvas of an evaluation: patches lie elsewhere each time


@dataclass(frozen=True, eq=False)
class FoundShared:
    """One variable, and what it does to each image.

    Attributes:
        z: Free numbers (1, ...).
        images: The images with it, (N, C, H, W), within the region as they are stored.
        scores: Objective on those, (N,), without view.
        success: Whether a forward pass on the returned image reaches the goal, (N,) bool.
        history: Mean score of the images looked at in each evaluation, (evaluations,).
        passes: ``forward`` and ``backward`` passes of single images.
        origin: The parts in words, steps, seed, batch.
    """

    z: Tensor
    images: Tensor
    scores: Tensor
    success: Tensor
    history: Tensor
    passes: Mapping[str, int]
    origin: Mapping[str, str | int | float]


def solve_shared(
    net: Net,
    objective: Objective,
    *,
    images: Tensor,
    canvas: Canvas | Canvases,
    search: Search,
    steps: int,
    within: Region | None = None,
    view: View | None = None,
    goal: Goal | None = None,
    batch: int | None = None,
    seed: int = 0,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
    label: str = "solve",
) -> FoundShared:
    """One variable that raises the mean of an objective over many images, found by a search.

    The result is what the last step gave where each evaluation looks at a part of the images, and the variable of the
    highest mean score where it looks at all. Every pass is of single images, in chunks as the memory allows.

    Args:
        net: Looked at in eval mode; no gradient of its parameters is computed.
        objective: What is raised; image k is row k to it.
        images: (N, C, H, W): what the region is about, and what the variable starts from.
        canvas: One whose ``z`` has one row that counts for all images: ``Delta(images, shared=True)`` or
            ``Patch(..., shared=True)``; or a function that gives such a one for the number of the evaluation.
        search: How; it sees one row.
        steps: At most so many steps of the search, at least 1.
        within: Where the images stay; by default values in [0, 1].
        view: Random transform under which the objective is looked at.
        goal: What counts as success, image by image; by default nothing does.
        batch: Images of an evaluation, drawn without return until all had their turn; None is all of them.
        seed: Seed of every random draw.
        ids: Ids (N,) that random draws hang on; by default made from the pixels.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.
        label: What it is called there.

    Raises:
        StriateError: No images, a canvas with a row for each image, steps or batch below 1, a mean that is no number.

    Source: Moosavi-Dezfooli et al. 2017, section 3 (one perturbation for all images); Brown et al. 2017, equation 1
    (the expectation over images and places).
    """
    within, goal = within or Box(), goal or none()
    _check(images, steps, batch)
    canvases: Canvases = canvas if callable(canvas) else lambda _: canvas
    with looked_at(net, objective.sites | goal.sites, best_format(net, images)) as (passes, look, _):
        shared = _Shared(
            net=net,
            look=look,
            objective=objective,
            images=images,
            canvases=canvases,
            within=within,
            steps=steps,
            view=view,
            batch=min(batch or len(images), len(images)),
            rng=Rng(seed, "imageopt"),
            keys=image_ids(images) if ids is None else ids.to("cpu", torch.int64),
            chunk=chunk_of(net, images, memory),
        )
        with progress.task(label, steps, unit="steps") as step:
            for z in search(shared):
                shared.last = z
                step()
                if shared.rested:
                    break
        z = shared.result()
        painted, scores, success = shared.verdict(z, goal)
    counted = {"forward": passes.forward, "backward": passes.backward}
    origin = _origin(shared, search, goal, seed)
    return FoundShared(z, painted, scores, success, torch.tensor(shared.history), counted, origin)


def _origin(shared: _Shared, search: Search, goal: Goal, seed: int) -> dict[str, str | int | float]:
    return {
        "objective": shared.objective.words,
        "canvas": shared.canvases(0).words,
        "within": shared.within.words,
        "search": search.words,
        "view": "none" if shared.view is None else shared.view.words,
        "goal": goal.words,
        "steps": shared.steps,
        "seed": seed,
        "batch": shared.batch,
        "images": len(shared.images),
    }


def _check(images: Tensor, steps: int, batch: int | None) -> None:
    if images.ndim != 4 or len(images) == 0:
        raise StriateError(f"images of shape {tuple(images.shape)}", accepted="(N, C, H, W), N at least 1")
    if steps < 1:
        raise StriateError(f"steps is {steps}", accepted="at least 1")
    if batch is not None and batch < 1:
        raise StriateError(f"batch is {batch}", accepted="at least 1 image")


@dataclass(eq=False)
class _Shared:
    """The problem of one row that a search sees; each evaluation is a mean over images."""

    net: Net
    look: Look
    objective: Objective
    images: Tensor
    canvases: Canvases
    within: Region
    steps: int
    view: View | None
    batch: int
    rng: Rng
    keys: Tensor
    chunk: int
    asked: int = 0
    rested: bool = False
    history: list[float] = field(default_factory=list)
    start: Tensor = field(init=False)
    last: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.ids = torch.zeros(1, dtype=torch.int64)
        self.row = torch.zeros(1, dtype=torch.int64, device=self.images.device)
        self.every = torch.arange(len(self.images), device=self.images.device)
        self.memory_format = best_format(self.net, self.images)
        made = self.canvases(0).start(self.images, ids=self.keys, rng=self.rng.child("canvas"))
        if len(made) != 1:
            raise StriateError(
                f"the canvas ({self.canvases(0).words}) has {len(made)} rows",
                accepted="one row that counts for all images: shared=True",
            )
        self.start = self.last = self.best = made
        self.highest = -torch.inf

    @property
    def alive(self) -> Tensor:
        return self.row[:0] if self.rested else self.row

    def project(self, z: Tensor, rows: Tensor) -> Tensor:
        del rows
        return self.canvases(self.asked).hold(z, self.within, self.every)

    def leave(self, rows: Tensor) -> None:
        self.rested = self.rested or len(rows) > 0

    def report(self, scores: Tensor, rows: Tensor) -> None:
        """Every evaluation is in the history already."""

    def random_start(self, draw: int = 0) -> Tensor:
        name = "start" if draw == 0 else f"start {draw}"
        inside = self.within.sample(self.images, self.every, ids=self.keys, rng=self.rng.child(name))
        return self.project(self.canvases(0).start(inside, ids=self.keys, rng=self.rng.child("canvas")), self.row)

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        """The mean score of the images of this evaluation, and its gradient."""
        del rows
        chosen = self._chosen()
        score, slope, painted = self._mean(z, chosen, grad, objective or self.objective)
        self.asked += 1
        if objective is None:
            self._remember(z, score)
        held = torch.zeros_like(self.row, dtype=torch.bool)
        return Answer(score[None], slope, held, painted, self.row)

    def ask_many(self, z: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Mean scores (1, P) of candidates (1, P, ...), all on the same images under the same views."""
        del rows
        return self.ask_each(z[0], self.row.expand(z.shape[1]))[None]

    def ask_each(self, z: Tensor, rows: Tensor, *, objective: Objective | None = None) -> Tensor:
        """Mean scores of candidates (m, ...), all on the same images under the same views."""
        del rows
        chosen = self._chosen()
        scores = torch.stack([self._mean(one[None], chosen, False, objective or self.objective)[0] for one in z])
        self.asked += 1
        if objective is None:
            top = int(scores.argmax())
            self._remember(z[top][None], scores[top])
        return scores

    def result(self) -> Tensor:
        """The variable to be returned."""
        if self.batch < len(self.images):
            return self.last
        self.ask(self.last, grad=False)
        return self.best

    def verdict(self, z: Tensor, goal: Goal) -> tuple[Tensor, Tensor, Tensor]:
        """The images with the variable, their scores, whether each reaches the goal.

        Raises:
            RuntimeError: An image is outside of the region: our mistake, and never to be reported as a result.
        """
        painted, scores, success, inside = [], [], [], []
        canvas = self.canvases(self.asked)
        with torch.no_grad():
            for rows in torch.split(self.every, self.chunk):
                images = canvas.paint(z, rows)
                seen = Shown(images, rows, self.look(self._arranged(images), rows), self.net)
                painted.append(images)
                scores.append(self.objective(seen))
                success.append(goal(seen))
                inside.append(self.within.contains(images, rows))
        if not bool(torch.cat(inside).all()):
            raise RuntimeError(f"an image to be returned is outside of {self.within.words}")
        return torch.cat(painted), torch.cat(scores), torch.cat(success)

    def _mean(
        self, z: Tensor, chosen: Tensor, grad: bool, objective: Objective
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        total, slope, canvas = z.new_zeros(()), torch.zeros_like(z) if grad else None, self.canvases(self.asked)
        painted = []
        for rows in torch.split(chosen, self.chunk):
            leaf = z.detach().requires_grad_(grad)
            with torch.set_grad_enabled(grad):
                images = canvas.paint(leaf, rows)
                score = objective(
                    Shown(images, rows, self.look(self._arranged(self._viewed(images, rows)), rows), self.net)
                )
                part = score.sum() / len(chosen)
            if slope is not None and part.requires_grad:
                slope += torch.autograd.grad(part, leaf, allow_unused=True, materialize_grads=True)[0]
            total += part.detach()
            painted.append(images.detach())
        if bool(total.isnan()) and self.asked == 0:
            raise StriateError(f"objective {objective.words} is not a number at the start")
        return total, None if slope is None else slope.nan_to_num(0.0, 0.0, 0.0), torch.cat(painted)

    def _viewed(self, images: Tensor, rows: Tensor) -> Tensor:
        if self.view is None:
            return images
        keys = self.keys[rows.cpu()] ^ torch.tensor(self.asked + 1) * GOLDEN
        return self.view(images, keys, step=0, rng=self.rng.child("view"))

    def _arranged(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.memory_format)

    def _chosen(self) -> Tensor:
        """The images of this evaluation: the next of a shuffled round."""
        if self.batch >= len(self.images):
            return self.every
        a_round = len(self.images) // self.batch
        order = self.rng.child("round").permutation(len(self.images), step=self.asked // a_round)
        first = self.asked % a_round * self.batch
        return order[first : first + self.batch].sort().values.to(self.images.device)

    def _remember(self, z: Tensor, score: Tensor) -> None:
        self.history.append(float(score))
        if float(score) > self.highest:
            self.best, self.highest = z.clone(), float(score)
