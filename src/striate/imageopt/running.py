"""The problem behind a search while it runs: evaluates in chunks, counts, keeps the best, lets rows leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of
from striate.core.rng import Rng
from striate.nets import look as nets
from striate.nets.net import Net

from .canvas import Canvas
from .goal import Goal
from .keep import Keep, Tried
from .objective import FREE, Objective
from .problem import Answer
from .region import Region
from .view import View

FRESH_VIEWS = 8  # a score under random views is judged on so many that the search never saw
GOLDEN = -7046029254386353131  # 2**64 over the golden ratio, as a signed word: spreads the counts over the ids
PLAIN = frozenset({"input", "output", FREE})  # what a pass shows by itself
Look = Callable[[Tensor, Tensor], nets.Seen]
T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A pass as objectives see it: the painted images, and what the net made of them (or of a view of them).

    ``free`` are the numbers that the images were painted from, where a canvas painted them.
    """

    images: Tensor
    rows: Tensor
    pass_: nets.Seen
    net: Net
    free: Tensor | None = None

    @property
    def output(self) -> Tensor:
        """Class scores (n, K)."""
        return self.net.as_logits(self.pass_.output)

    def __getitem__(self, site: str) -> Tensor:
        """What was recorded at a site, or the free numbers of the images."""
        if site != FREE:
            return self.pass_[site]
        if self.free is None:
            raise StriateError("free numbers of images that no canvas painted", hint="an objective on images alone")
        return self.free


@contextmanager
def looking(net: Net, sites: frozenset[str], rules: Mapping[str, nets.Rule] | None = None) -> Iterator[Look]:
    """One look over the sites, held open for all passes; a plain pass where only the output is wanted."""
    if sites <= PLAIN and not rules:
        yield lambda images, rows: nets.Seen(images, net(images), rows, {})
    else:
        with net.look(read=sites - {FREE}, rules=rules) as look:
            yield look


@dataclass(eq=False)
class Running:
    """State of one `solve`: all tensors hold all N images, and a row is never moved."""

    net: Net
    look: Look
    judge: Look  # of what is returned: the net itself, where the search goes by a folded copy
    objective: Objective
    images: Tensor
    canvas: Canvas
    within: Region
    steps: int
    view: View | None
    draws: int
    fresh: int
    goal: Goal
    keep: Keep
    rng: Rng
    ids: Tensor
    chunk: int
    memory_format: torch.memory_format
    step: int = 0

    start: Tensor = field(init=False)
    best: Tensor = field(init=False)

    def __post_init__(self) -> None:
        count, device = len(self.images), self.images.device
        self.start = self.canvas.start(self.images, ids=self.ids, rng=self.rng.child("canvas"))
        self.best = self.images.clone()
        self.held = self.start.clone() if FREE in self.objective.sites else None  # what the best are painted from
        self.score = self.images.new_full((count,), -torch.inf)
        self.latest = self.images.new_full((count,), torch.nan)
        self.reached = torch.zeros(count, dtype=torch.bool, device=device)
        self.done, self.flat = self.reached.clone(), self.reached.clone()
        self.judged, self.graded = self.reached.clone(), self.reached.clone()
        self.first = torch.full((count,), -1, dtype=torch.int64, device=device)
        self.asked = torch.zeros(count, dtype=torch.int64)
        self.broken = torch.full((count,), -1, dtype=torch.int64, device=device)  # first step without a number
        self.every = torch.arange(count, device=device)
        self.output: Tensor | None = None

    @property
    def alive(self) -> Tensor:
        """The rows that are not done."""
        return (~self.done).nonzero().squeeze(1)

    def project(self, z: Tensor, rows: Tensor) -> Tensor:
        """Free numbers brought into the region."""
        return self.canvas.hold(z, self.within, rows)

    def leave(self, rows: Tensor) -> None:
        """Rows that have come to rest are done."""
        self.done[rows] = True

    def report(self, scores: Tensor, rows: Tensor) -> None:
        """Scores that a search knows of these rows, for the history."""
        self.latest[rows] = scores.to(self.latest)

    def random_start(self, draw: int = 0) -> Tensor:
        """Free numbers of a random point of the region for each row."""
        rng = self.rng.child("start" if draw == 0 else f"start {draw}")
        images = self.within.sample(self.images, self.every, ids=self.ids, rng=rng)
        return self.canvas.start(images, ids=self.ids, rng=self.rng.child("canvas" if draw == 0 else f"canvas {draw}"))

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        """Evaluates rows of ``z`` and offers what it saw to the keep."""
        rows = self.alive if rows is None else rows
        if len(rows) == 0:
            return Answer(self.score[rows], z[rows] if grad else None, self.reached[rows], self.images[rows], rows)
        wanted = self.objective if objective is None else objective

        def asked(part: Tensor) -> Answer:
            free = z if len(part) == len(z) else z[part]
            answer, output = self._evaluate(free, part, grad, wanted)
            wrong = answer.score.isnan().reshape(len(part), -1).any(1)
            self._check_numbers(part[wrong], part[wrong], wanted)
            counts = objective is None and answer.score.ndim == 1
            self._offer(answer, output, free, counts=counts, judged=not grad)
            return answer

        answers = list(self._in_parts(rows, asked))
        self.asked[rows.cpu()] += 1
        return _joined(answers)

    def ask_many(self, z: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Evaluates several candidates of each row and offers to the keep those that count."""
        rows = self.alive if rows is None else rows
        many = z.shape[1]
        at = torch.arange(len(rows) * many, device=rows.device)
        table = self._asked_each(lambda k: z[rows[k // many], k % many], rows[at // many], None).view(len(rows), many)
        if len(rows) > 0:
            self.latest[rows] = table.amax(1)
        return table

    def ask_each(self, z: Tensor, rows: Tensor, *, objective: Objective | None = None) -> Tensor:
        """Evaluates candidates, each of the row named beside it, and offers to the keep those that count."""
        return self._asked_each(lambda k: z[k], rows, objective)

    def _asked_each(self, pick: Callable[[Tensor], Tensor], rows: Tensor, objective: Objective | None) -> Tensor:
        """Scores of candidates, given by their places, of rows that may come several times."""
        wanted = self.objective if objective is None else objective
        counts = objective is None

        def asked(at: Tensor) -> Tensor:
            free = pick(at)
            answer, output = self._evaluate(free, rows[at], False, wanted)
            chosen = _winners(answer, self._mark(answer), self.keep, self.images, counts=counts)
            if len(chosen) > 0:
                shown = None if output is None else output[chosen]
                self._offer(answer.at(chosen), shown, free[chosen], counts=counts, judged=True)
            return answer.score.to(self.score)

        scores = list(self._in_parts(torch.arange(len(rows), device=rows.device), asked))
        raw = torch.cat(scores or [self.score.new_empty(0)])
        wrong = raw.isnan().reshape(len(raw), -1).any(1)
        self._check_numbers(rows[wrong], rows[~torch.isin(rows, rows[~wrong])], wanted)
        self.asked[rows.cpu()] += 1
        return raw.nan_to_num(-torch.inf, torch.inf, -torch.inf)

    def verdict(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores, success and class scores of the kept images, from passes on exactly what is returned.

        Raises:
            RuntimeError: A kept image is outside of the region: our mistake, and never to be reported as a result.
        """
        if not bool(self.within.contains(self.best, self.every).all()):
            raise RuntimeError(f"an image to be returned is outside of {self.within.words}")
        left = (~self.judged).nonzero().squeeze(1) if self.objective.per_image else self.every
        with torch.no_grad():
            for _ in self._in_parts(left, self._judged):
                pass
        return self.score, self.reached, self.output

    def _judged(self, rows: Tensor) -> None:
        """Takes down what the net itself says of the kept images of these rows."""
        seen = self._see(self.best[rows], self.best[rows], rows, self.judge, self._held(rows))
        self.score[rows], self.reached[rows] = self.objective(seen), self.goal(seen)
        self._record(self._output(seen), rows)
        if self.view is not None and self.fresh:
            self.score[rows] = self._fresh_score(rows)

    def _evaluate(self, free: Tensor, rows: Tensor, grad: bool, objective: Objective) -> tuple[Answer, Tensor | None]:
        free = free.detach()
        scores, grads, reached = [], [], torch.ones_like(rows, dtype=torch.bool)
        output: Tensor | None = None
        for draw in range(self.draws):
            leaf = free.requires_grad_(grad)
            with torch.set_grad_enabled(grad):
                image = self.canvas.paint(leaf, rows)
                seen = self._see(image, self._viewed(image, rows, draw), rows, free=leaf)
                score = objective(seen)
            if grad:
                grads.append(_gradient(score, leaf))
            scores.append(score.detach())
            reached &= self.goal(seen)
            output = self._output(seen)
        score = torch.stack(scores).mean(0) if self.draws > 1 else scores[0]
        total = (torch.stack(grads).mean(0) if self.draws > 1 else grads[0]) if grad else None
        answer = Answer(score, total, reached, image.detach(), rows)
        return (self._cleaned(answer) if grad else answer), output

    def _check_numbers(self, wrong: Tensor, wholly: Tensor, objective: Objective) -> None:
        """Rows without any number are refused at the start; later it is remembered, and what was made is kept."""
        if len(wrong) == 0:
            return
        lost = wholly[self.asked[wholly.cpu()].to(wholly.device) == 0]
        if len(lost) > 0:
            raise StriateError(
                f"objective {objective.words} is not a number for image {int(lost[0])}",
                hint="look at the net's output on that image",
            )
        self.broken[wrong[self.broken[wrong] < 0]] = self.step

    def _in_parts(self, rows: Tensor, work: Callable[[Tensor], T]) -> Iterator[T]:
        """What work gives for each chunk of the rows; where memory runs out the chunk is halved, for good.

        Raises:
            torch.OutOfMemoryError: A single image does not fit, or all have to be seen at once.
        """
        place = 0
        while place < len(rows):
            part = rows[place : place + self.chunk]
            try:
                done = work(part)
            except torch.OutOfMemoryError:
                if len(part) == 1 or not self.objective.per_image:
                    raise
                self.chunk = len(part) // 2
                if part.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            yield done
            place += len(part)

    def _viewed(self, image: Tensor, rows: Tensor, draw: int) -> Tensor:
        if self.view is None:
            return image
        at = rows.cpu()
        keys = self.ids[at] ^ (self.asked[at] + 1) * GOLDEN  # every evaluation of an image draws anew
        return self.view(image, keys, step=draw, rng=self.rng.child("view"))

    def _fresh_score(self, rows: Tensor) -> Tensor:
        assert self.view is not None
        fresh, ids, scores = self.rng.child("fresh"), self.ids[rows.cpu()], []
        for draw in range(self.fresh):
            shown = self.view(self.best[rows], ids, step=draw, rng=fresh)
            scores.append(self.objective(self._see(self.best[rows], shown, rows, self.judge, self._held(rows))))
        return torch.stack(scores).mean(0)

    def _held(self, rows: Tensor) -> Tensor | None:
        return None if self.held is None else self.held[rows]

    def _see(
        self, image: Tensor, shown: Tensor, rows: Tensor, look: Look | None = None, free: Tensor | None = None
    ) -> Shown:
        look = look or self.look
        return Shown(image, rows, look(shown.contiguous(memory_format=self.memory_format), rows), self.net, free)

    def _output(self, seen: Shown) -> Tensor | None:
        """Class scores to remember; None where the pass stopped before the output or the net gives something else."""
        if "output" not in self.objective.sites | self.goal.sites:
            return None
        return seen.output.detach()

    def _cleaned(self, answer: Answer) -> Answer:
        """The answer with gradients that are not finite set to 0; the first of a row tells whether it is flat."""
        grad, rows = answer.gradient, answer.rows
        sums = torch.linalg.vector_norm(grad.flatten(1), 1, 1)
        finite = bool(sums.isfinite().all())
        if not bool(self.graded[rows].all()):
            new = rows[~self.graded[rows]]
            self.flat[new] = ((sums == 0) | ~sums.isfinite())[~self.graded[rows]]
            self.graded[new] = True
        if finite:
            return answer
        return Answer(answer.score, grad.nan_to_num(0.0, 0.0, 0.0), answer.reached, answer.image, rows)

    def _offer(self, answer: Answer, output: Tensor | None, free: Tensor, *, counts: bool, judged: bool) -> None:
        rows, image = answer.rows, answer.image
        score = answer.score.to(self.score) if counts else torch.full_like(self.score[rows], -torch.inf)
        reached = self._mark(answer)
        if counts:
            self.latest[rows] = score

        def distance_of(images: Callable[[], Tensor]) -> Callable[[float], Tensor]:
            return lambda norm: norm_of(images().to(torch.float64) - self.images[rows].to(torch.float64), norm)

        new = Tried(score, reached, distance_of(lambda: image))
        held = Tried(self.score[rows], self.reached[rows], distance_of(lambda: self.best[rows]))
        better = self.keep.better(new, held)
        at = rows[better]
        if torch.equal(at, self.every):
            self.best.copy_(image)
        else:
            self.best[at] = image[better]
        if self.held is not None:
            self.held[at] = free[better].detach()
        self.score[at], self.reached[at] = score[better], reached[better]
        self.judged[at] = judged and counts and self.view is None and self.look is self.judge
        self._record(None if output is None else output[better], at)
        if self.keep.leaves:
            self.done[rows[reached]] = True

    def _mark(self, answer: Answer) -> Tensor:
        """Which candidates reach the goal with a score that is a number; remembers the step of the first of a row."""
        reached = answer.reached & ~answer.score.reshape(len(answer.rows), -1).isnan().any(1)
        self.first[answer.rows[reached & (self.first[answer.rows] < 0)]] = self.step
        return reached

    def _record(self, output: Tensor | None, rows: Tensor) -> None:
        if output is None:
            return
        if self.output is None:
            self.output = output.new_full((len(self.images), output.shape[1]), torch.nan)
        self.output[rows] = output


def _winners(answer: Answer, reached: Tensor, keep: Keep, start: Tensor, *, counts: bool) -> Tensor:
    """Places of an answer in which a row may come several times: of each row the one that the keep would be left with.

    Among those that reach the goal and, where the score counts, the highest score of the row, two by two.
    """
    rows, wanted = answer.rows, reached
    score = torch.full(rows.shape, -torch.inf, device=rows.device)
    if counts:
        score = answer.score.nan_to_num(-torch.inf, torch.inf, -torch.inf)
        top = score.new_full((len(start),), -torch.inf).scatter_reduce(0, rows, score, "amax")
        wanted = wanted | (score == top[rows])
    known: dict[float, Tensor] = {}

    def distance(norm: float) -> Tensor:
        if norm not in known:
            known[norm] = norm_of(answer.image.to(torch.float64) - start[rows].to(torch.float64), norm)
        return known[norm]

    def tried(at: Tensor) -> Tried:
        return Tried(score[at], reached[at], lambda norm: distance(norm)[at])

    left = wanted.nonzero().squeeze(1)
    left = left[rows[left].argsort(stable=True)]  # candidates of a row side by side, in their order
    while True:
        names, counted = torch.unique_consecutive(rows[left], return_counts=True)
        if len(names) == len(left):
            return left
        begins = (counted.cumsum(0) - counted).repeat_interleave(counted)
        upper = (torch.arange(len(left), device=left.device) - begins) % 2 == 1
        second = upper.nonzero().squeeze(1)
        earlier, later = left[second - 1], left[second]
        left[second - 1] = torch.where(keep.better(tried(later), tried(earlier)), later, earlier)
        left = left[~upper]


def _gradient(score: Tensor, leaf: Tensor) -> Tensor:
    """The gradient of each score by its own row, by the free numbers alone; 0 where the net lets none through."""
    if not score.requires_grad:
        return torch.zeros_like(leaf) if score.ndim == 1 else leaf.new_zeros(len(leaf), score.shape[1], *leaf.shape[1:])
    columns = [score] if score.ndim == 1 else list(score.unbind(1))
    parts = []
    for place, column in enumerate(columns):
        (part,) = torch.autograd.grad(
            column.sum(), leaf, retain_graph=place + 1 < len(columns), allow_unused=True, materialize_grads=True
        )
        parts.append(part)
    return parts[0] if score.ndim == 1 else torch.stack(parts, 1)


def _joined(answers: list[Answer]) -> Answer:
    if len(answers) == 1:
        return answers[0]
    grads = [answer.grad for answer in answers if answer.grad is not None]
    return Answer(
        torch.cat([answer.score for answer in answers]),
        torch.cat(grads) if grads else None,
        torch.cat([answer.reached for answer in answers]),
        torch.cat([answer.image for answer in answers]),
        torch.cat([answer.rows for answer in answers]),
    )
