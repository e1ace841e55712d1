"""Objectives on the class scores: how much a net holds an image for a class."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError

from .term import OUTPUT, Classes, Objective, Seen, Term, own_rows


def logit(classes: Classes) -> Objective:
    """The logit of a class. Source: Simonyan et al. 2013, section 2 (there S_c)."""
    return Term(f"logit({_say(classes)})", lambda seen: _own(seen, classes), OUTPUT)


def log_probability(classes: Classes) -> Objective:
    """The natural logarithm of a class's probability, at most 0."""
    return Term(
        f"log_probability({_say(classes)})", lambda seen: _own(seen, classes) - seen.output.logsumexp(1), OUTPUT
    )


def cross_entropy(classes: Classes) -> Objective:
    """The loss of a class in nats, at least 0: minus its log-probability.

    In float32 its gradient is exactly zero where the probability rounds to 1 (a lead of about 17 nats); `log_odds`
    ascends the same way and does not vanish.
    """
    return Term(f"cross_entropy({_say(classes)})", lambda seen: seen.output.logsumexp(1) - _own(seen, classes), OUTPUT)


def log_odds(classes: Classes) -> Objective:
    """The log-odds of a class, ``log(p / (1 - p))``: its logit less the log-sum-exp of the others.

    Cross-entropy is ``log(1 + exp(-log_odds))``, a strictly falling function of it, so ``-log_odds`` has the same
    direction of steepest ascent as cross-entropy, image by image, however large the logits are.
    """

    def score(seen: Seen) -> Tensor:
        return _own(seen, classes) - _others(seen, classes).logsumexp(1)

    return Term(f"log_odds({_say(classes)})", score, OUTPUT)


def margin(classes: Classes) -> Objective:
    """The largest other logit less that of the class: above 0 where the class is not predicted.

    Source: Carlini & Wagner 2017, section V (their f_6 without its floor).
    """
    return Term(f"margin({_say(classes)})", lambda seen: _others(seen, classes).amax(1) - _own(seen, classes), OUTPUT)


def leads(labels: Classes, others: Tensor) -> Objective:
    """By how much the logits of other classes lead over that of the label: a score for each of them, (n, K).

    Args:
        labels: Classes that are led over.
        others: Classes (N, K) int64, of each row its own.
    """

    def score(seen: Seen) -> Tensor:
        own = _own(seen, labels)
        return seen.output.gather(1, own_rows(others, seen).to(seen.output.device)) - own[:, None]

    return Term(f"leads over {_say(labels)} of {others.shape[1]} classes", score, OUTPUT)


def dlr(labels: Classes, targets: Classes | None = None) -> Objective:
    """The difference-of-logits ratio: the lead over the label in units of the spread of the highest logits.

    Above 0 where the label is not predicted; a rescaled or shifted net gives the same score. With logits sorted as
    ``z_1 >= z_2 >= ...`` it is ``(max_{i != y} z_i - z_y) / (z_1 - z_3)``, and with targets
    ``(z_t - z_y) / (z_1 - (z_3 + z_4) / 2)``, with 1e-12 added below the line. A net with fewer than 4 classes has no
    such spread: there it is the margin, with targets ``z_t - z_y``.

    Source: Croce & Hein 2020, section 4.
    """

    def score(seen: Seen) -> Tensor:
        own = _own(seen, labels)
        lead = (_others(seen, labels).amax(1) if targets is None else _own(seen, targets)) - own
        if seen.output.shape[1] < 4:
            return lead
        highest = seen.output.topk(4, dim=1).values
        low = highest[:, 2] if targets is None else (highest[:, 2] + highest[:, 3]) / 2
        return lead / (highest[:, 0] - low + 1e-12)

    to = "" if targets is None else f" to {_say(targets)}"
    return Term(f"dlr({_say(labels)}{to}; the plain lead below 4 classes)", score, OUTPUT)


def _say(classes: Classes) -> str:
    return str(classes) if isinstance(classes, int) else str(int(classes)) if classes.ndim == 0 else "labels"


def classes_of(classes: Classes, seen: Seen) -> Tensor:
    """The class of each row seen, (n,) int64.

    Raises:
        StriateError: The net's output is not (n, classes), or a class is out of range.
    """
    output = seen.output
    if not isinstance(output, Tensor) or output.ndim != 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise StriateError(f"the net's output is {shape}", accepted="one row of class scores per image")
    if isinstance(classes, Tensor) and classes.ndim > 0:
        chosen = classes.to(output.device)[seen.rows]
    else:
        chosen = torch.full((len(output),), int(classes), device=output.device)
    count = output.shape[1]
    if bool(((chosen < 0) | (chosen >= count)).any()):
        wrong = int(chosen[(chosen < 0) | (chosen >= count)][0])
        raise StriateError(f"class {wrong} is out of range", accepted=f"0 to {count - 1}: the net has {count} classes")
    return chosen


def _own(seen: Seen, classes: Classes) -> Tensor:
    return seen.output.gather(1, classes_of(classes, seen)[:, None]).squeeze(1)


def _others(seen: Seen, classes: Classes) -> Tensor:
    if seen.output.shape[1] < 2:
        raise StriateError("the net has one output", accepted="at least two classes, so that one can lose to another")
    return seen.output.scatter(1, classes_of(classes, seen)[:, None], -torch.inf)
