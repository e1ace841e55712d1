"""Policies: what of a net learns, how fast, from when on; each a task that the training loop runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from striate.core.errors import StriateError
from striate.nets.head import find_head, reading_head, write_head
from striate.nets.net import Net
from striate.training.groups import Group
from striate.training.losses import cross_entropy
from striate.training.recipe import AdamW, Augment, Recipe
from striate.training.schedules import Schedule
from striate.training.task import Batch, Classification, Update

from .linear import Linear

Policy = Literal["features", "last", "blocks", "all", "scratch"]
POLICIES: Mapping[Policy, str] = {
    "features": "a linear classifier of the net's code, written back as its last layer",
    "last": "the last layer by gradient, on images changed at random; all before it stays",
    "blocks": "the last layer and the last third of the blocks, each depth slower than the next",
    "all": "every layer, each depth slower than the next, thawed from the last to the first",
    "scratch": "the same architecture from drawn weights",
}
FALL = 2.6  # how much slower each depth learns than the next
DEPTHS = 4  # behind the head; the blocks are spread over them
TRANSFER = Recipe(
    name="transfer",
    optimizer=AdamW(rate=3e-4, weight_decay=0.01),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    samples=1200,
    most=8,
    batch=16,
    augment=Augment(mirror=0.5, shift=8),
)
FIT = Recipe(name="features", optimizer=AdamW(rate=1e-9, weight_decay=0.0), epochs=1, batch=32)  # nothing is stepped


class FineTuning(Classification):
    """A classifier of which a part learns: the head at the run's rate, the depths before it slower and later.

    Batch normalisation may stay as it is, statistics and affine part: a few images say little about either.

    Args:
        net: What is trained, with a head for the classes; its parameters' ``requires_grad`` is set.
        policy: ``last``, ``blocks``, ``all``.
        frozen_norm: Whether batch normalisation stays as it is.
        fall: How much slower each depth learns than the one behind it.
        gradual: Whether depths thaw one after the other over the first half of the run, the last first.

    Source: Howard & Ruder 2018, "Universal language model fine-tuning for text classification", section 3.2: rates
    fall by 2.6 a depth, and a depth thaws each epoch; here blocks of a net are put together to four depths, and thaw
    at equal shares of the first half.
    """

    def __init__(
        self, net: Net, policy: Policy, *, frozen_norm: bool = True, fall: float = FALL, gradual: bool = True
    ) -> None:
        super().__init__(net)
        if policy not in {"last", "blocks", "all"}:
            raise StriateError(f"policy {policy!r} trains no part of a net", accepted="last, blocks, all")
        self.about: Mapping[str, str] = {"policy": policy, "frozen_norm": "yes" if frozen_norm else "no"}
        self._norms = [each for each in net.modules() if isinstance(each, _BatchNorm)] if frozen_norm else []
        still = {id(each) for norm in self._norms for each in norm.parameters()}
        depths = depths_of(net)
        count = {"last": 1, "blocks": 1 + max(1, round((len(depths) - 1) / 3)), "all": len(depths)}[policy]
        learning = depths[len(depths) - count :]
        self._groups = []
        for depth, parameters in enumerate(reversed(learning)):
            thaw = 0.5 * depth / len(learning) if gradual and policy == "all" else 0.0
            chosen = tuple(each for each in parameters if id(each) not in still)
            self._groups.append(Group(chosen, share=fall**-depth, thaw=thaw))
        moving = {id(each) for group in self._groups for each in group.parameters}
        for each in net.parameters():
            each.requires_grad_(id(each) in moving)

    def groups(self, name: str) -> Sequence[Group]:
        """The depths, the head first."""
        del name
        return self._groups

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """Cross-entropy; frozen normalisation runs as in evaluation."""
        for each in self._norms:
            each.eval()
        return super().step(batch, update)


class Fitted(Classification):
    """A net whose head is a linear classifier that is fitted already: one epoch in which nothing is learnt.

    Its figures on the training images are those of the classifier on their codes.
    """

    def __init__(self, net: Net, linear: Linear, codes: Tensor) -> None:
        super().__init__(net)
        self.nets: MutableMapping[str, nn.Module] = {"net": net}
        self.about: Mapping[str, str] = {
            "policy": "features", "classifier": linear.kind, "strength": f"{linear.strength:g}",
        }  # fmt: skip
        self._scores = linear(codes).float()

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The classifier's figures; no weight moves."""
        del update
        scores = self._scores[batch.rows.cpu()]
        labels = batch.labels.cpu()
        return {"loss": cross_entropy(scores, labels), "accuracy": (scores.argmax(1) == labels).float()}


def blocks_of(net: Net) -> list[tuple[str, list[nn.Parameter]]]:
    """The net's blocks in the order in which they run, with their parameters; the head is the last.

    A block is a module by its path up to the first number in it: ``features.3``, ``layer2.0``, ``stage1``.
    """
    head = find_head(net).path
    order = {site.module: place for place, site in reversed(tuple(enumerate(net.sites())))}
    found: dict[str, list[nn.Parameter]] = {}
    first: dict[str, int] = {}
    for path, module in net.module.named_modules():
        own = list(module.parameters(recurse=False))
        if not own:
            continue
        name = path if path == head else _block(path)
        found.setdefault(name, []).extend(own)
        place = min((at for site, at in order.items() if site == path or site.startswith(f"{path}.")), default=-1)
        first[name] = min(first.get(name, place), place)
    names = sorted((name for name in found if name != head), key=lambda name: first[name])
    return [(name, found[name]) for name in (*names, head)]


def depths_of(net: Net, count: int = DEPTHS) -> list[list[nn.Parameter]]:
    """The blocks put together to at most ``count`` depths of about as many blocks each, and the head."""
    *blocks, head = [parameters for _, parameters in blocks_of(net)]
    count = min(count, len(blocks))
    depths: list[list[nn.Parameter]] = [[] for _ in range(count)]
    for place, parameters in enumerate(blocks):
        depths[place * count // len(blocks)].extend(parameters)
    return [*depths, head]


def with_head(net: Net, linear: Linear, images: Tensor, codes: Tensor) -> Net:
    """A copy of a net with a classifier of its codes as the head; what the net then says is the classifier's scores.

    Where a ReLU cuts logits (SqueezeNet), one constant is added to all of them, so large that it cuts nothing: it
    changes no probability.

    Args:
        net: With a head for the classifier's classes.
        linear: The classifier.
        images: Some of the images, on which the net is held against the classifier.
        codes: Their codes.

    Raises:
        StriateError: The net does not give the classifier's scores.
    """
    made = copy.deepcopy(net)
    head, scores = find_head(made), linear(codes)
    lift = 30.0 * float(scores.abs().max().clamp_min(1.0)) if head.cut else 0.0
    write_head(made, linear.weight, linear.bias + lift)
    with reading_head(made, head):
        device = next(made.parameters()).device
        said = made.logits(images.to(device)).cpu().double() - lift
    gap = float((said - scores).abs().max())
    if gap > 1e-3 * max(1.0, lift, float(scores.abs().max())):
        raise StriateError(
            f"{net.name} with the fitted head says otherwise than the classifier, by up to {gap:.3g}",
            accepted="a net whose logits are linear in what comes into its last layer",
            hint="--policy last",
        )
    return made.eval()


def _block(path: str) -> str:
    parts = path.split(".")
    number = next((place for place, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[: number + 1])
