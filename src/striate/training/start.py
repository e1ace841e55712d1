"""What is noticed of a net that has not learnt anything yet: whether its loss is that of one who does not know."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError

from .feed import Feed
from .init import seeded
from .losses import expected_at_start
from .recipe import Recipe
from .task import Classification, Task

FAR = 2.0  # times the expected loss, or its inverse, from which on it is worth a note


def starting_notes(task: Task, recipe: Recipe, feed: Feed, *, seed: int) -> tuple[str, ...]:
    """A sentence where the loss of a fresh classifier on its first batch is far from that of equal logits.

    Of the plain cross-entropy the doctor says so (`loss-at-start`), with what else it saw; here it is the other losses.

    Such a net is sure of classes before it saw any: its weights start too large, its pixels are not normalised, or a
    softmax stands before a loss that has one of its own. One pass of one batch in training mode, BatchNorm's statistics
    put back; the net, and what is drawn later, stay as they are. Nothing is said where the net refuses that batch:
    the first step refuses it too, with the run's own words.

    Raises:
        StriateError: The images cannot be had as they are asked for.
    """
    if not isinstance(task, Classification) or not task.fresh or recipe.loss.name == "cross_entropy":
        return ()
    net = task.nets["net"]
    kept = {name: value.clone() for name, value in net.named_buffers()}
    mode = net.training
    device = next((each.device for each in net.parameters()), torch.device("cpu"))
    try:
        batch = next(iter(feed.shuffled(0)))
        net.train()
        with torch.no_grad(), seeded(seed, "train/start"):
            logits = task.predict(type(batch)(batch.images.to(device), batch.labels, batch.ids, batch.rows))
            loss = float(task.losses(logits, batch.labels.to(device)).mean())
    except StriateError:  # a mistake of the caller's, told of before there is a folder
        raise
    except (ValueError, RuntimeError):
        return ()
    finally:
        net.train(mode)
        with torch.no_grad():
            for name, value in net.named_buffers():
                value.copy_(kept[name])
    expected = expected_at_start(recipe.loss, logits.shape[1])
    if expected / FAR <= loss <= expected * FAR:
        return ()
    return (
        f"the loss before the first step is {loss:.3g}; {recipe.loss.name} of {logits.shape[1]} classes begins at "
        f"{expected:.3g} where a net does not know: its weights start too large, or its logits are no logits",
    )
