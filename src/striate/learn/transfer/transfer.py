"""Transfer from top to bottom: codes, advice, the policy's run, what else does on the same test images."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Splits
from striate.measure.table import predict
from striate.metrics.intervals import wilson
from striate.metrics.paired import mcnemar
from striate.nets.head import find_head, replace_head
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.loop import fit
from striate.training.payload import Training
from striate.training.prepare import check_splits
from striate.training.recipe import Recipe
from striate.training.task import Task

from .advice import advise
from .beside import Judged, judged_baselines, plain_codes
from .codes import Codes, head_codes
from .linear import Kind, Linear, chosen_linear
from .payload import FewShot, Measured, Transfer
from .policies import FIT, POLICIES, TRANSFER, FineTuning, Fitted, Policy, with_head
from .shots import few_shot

CHECKED = 8  # images on which the written head is held against its classifier
FEW_FROZEN = 200  # training images a class below which batch normalisation stays as it is by default


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        policy: One of `POLICIES`, or ``auto`` for what is advised.
        against: Other policies to train too, on the same budget, into ``RUN/against/POLICY``.
        classifier: Of the codes: ``softmax`` or ``svm``.
        frozen_norm: Whether batch normalisation stays as it is; None: where there are few images.
        shots: Images a class of the few-shot curve; none leaves it out.
        draws: Draws of the curve.
        epochs: Passes of a policy that trains; None takes the recipe's.
        rate: Peak rate; None takes the recipe's.
        batch: Images a step; None takes the recipe's.
        seed: Of orders, changes, drawn weights.
    """

    policy: str = "auto"
    against: tuple[str, ...] = ()
    classifier: Kind = "softmax"
    frozen_norm: bool | None = None
    shots: tuple[int, ...] = ()
    draws: int = 10
    epochs: int | None = None
    rate: float | None = None
    batch: int | None = None
    seed: int = 0


def transfer_net(
    net: Net,
    splits: Splits,
    *,
    out: Path,
    wish: Wish,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    workers: int = 0,
    progress: Progress = SILENT,
) -> Transfer:
    """A net with a new head for these classes in the run folder ``out``, and how good it is.

    Nothing is chosen by the test split. Policies that train start from the fitted head, so that the first steps do not
    spoil what lies before it.

    ``net`` has weights and is left as it is, ``splits`` are as it takes them, ``out`` is the run folder; ``resume``
    goes on with the runs that are there, ``overwrite`` deletes them.

    Raises:
        StriateError: The net has no head, or a policy is unknown.
        RunError: Data cannot teach it, or the folder is taken.

    Source: the head first, then the rest: Kumar et al. 2022, "Fine-tuning can distort pretrained features and
    underperform out-of-distribution", section 3.4 (LP-FT).
    """
    check_policies(wish)
    _check_data(splits)
    base = replace_head(net, splits.train.classes, seed=wish.seed)
    begun = time.perf_counter()
    train, dev, test = (head_codes(base, part, workers=workers, progress=progress) for part in splits)
    spent = time.perf_counter() - begun
    classes = len(base.classes)
    trained = "random" not in net.origin.source and "no weights" not in net.origin.source
    advice = advise(train, classes, trained=trained)
    policy = advice.policy if wish.policy == "auto" else wish.policy
    begun = time.perf_counter()
    linear = _linears(train, dev, classes)
    spent += time.perf_counter() - begun
    # whatever is wrong with what was asked is said by now
    curve = _curve((train, dev, test), splits, classes, wish)
    frozen = wish.frozen_norm if wish.frozen_norm is not None else advice.images < FEW_FROZEN
    start = _headed(base, linear[wish.classifier], splits, train)
    made: dict[str, Made] = {}
    for name in dict.fromkeys((policy, *wish.against)):
        begun = time.perf_counter()
        folder = out if name == policy else out / "against" / name
        progress.say(f"{name}: {POLICIES[name]}")  # type: ignore[index]
        subject, recipe = _subject(name, start, linear[wish.classifier], train, frozen=frozen, wish=wish)
        again = resume and (folder / "run.json").is_file()
        run = fit(
            subject, splits, out=folder, recipe=recipe, seed=wish.seed, resume=again, overwrite=overwrite,
            device=device, workers=workers, progress=progress,
        )  # fmt: skip
        right = predict(load_net(folder), splits.test, workers=workers, progress=progress).correct
        made[name] = Made(run, right, time.perf_counter() - begun + (spent if name == "features" else 0.0))
    rights = _measured(made, linear, (train, dev, test), wish, spent=spent)
    rights |= judged_baselines(splits, workers=workers, seed=wish.seed, progress=progress)
    rows = _rows(rights, policy)
    return Transfer(
        net=net.name,
        data=splits.train.name,
        run=str(out),
        asked=wish.policy,
        policy=policy,
        advice=advice,
        classes=base.classes,
        images=(len(splits.train), len(splits.dev), len(splits.test)),
        layer=find_head(base).path,
        width=train.values.shape[1],
        frozen_norm=frozen and policy in {"blocks", "all"},
        accuracy=rows[0].accuracy,
        chance=max(splits.test.counts()) / max(len(splits.test), 1),
        rows=rows,
        few_shot=curve,
        training=made[policy].run,
        notes=made[policy].run.notes,
    )


def _check_data(splits: Splits) -> None:
    """Raises where there are too few classes, or a class that training has no image of."""
    if len(splits.train.classes) < 2:
        raise StriateError(
            f"{splits.train.name} has {len(splits.train.classes)} class", accepted="at least two classes to tell apart"
        )
    check_splits(splits)


@dataclass(frozen=True)
class Made:
    """A policy's run, which test images its net has right, the seconds that it took."""

    run: Training
    right: Tensor
    seconds: float


def _measured(
    made: Mapping[str, Made],
    linear: Mapping[Kind, Linear],
    codes: tuple[Codes, Codes, Codes],
    wish: Wish,
    *,
    spent: float,
) -> dict[str, Judged]:
    """The runs and linear classifiers of the codes, on the same test images."""
    _, dev, test = codes
    found = {
        name: Judged(each.right, POLICIES[name], each.seconds, _dev(each.run, len(dev.labels)))  # type: ignore[index]
        for name, each in made.items()
    }
    for kind, fitted in linear.items():
        if not (kind == wish.classifier and "features" in made):
            words = f"the net's code, {'softmax regression' if kind == 'softmax' else 'linear support vector machine'}"
            found[f"code, {kind}"] = Judged(fitted.right(test.values, test.labels), words, spent, _right(fitted, dev))
    return found


def check_policies(wish: Wish) -> None:
    """Raises where a policy is asked for that there is not."""
    for name in (wish.policy, *wish.against):
        if name not in POLICIES and not (name == "auto" and name == wish.policy):
            raise StriateError(f"policy is {name!r}", accepted=f"auto, {', '.join(POLICIES)}")


def _linears(train: Codes, dev: Codes, classes: int) -> dict[Kind, Linear]:
    kinds: tuple[Kind, ...] = ("softmax", "svm")
    choose = (dev.values, dev.labels)
    return {kind: chosen_linear(train.values, train.labels, classes, kind=kind, choose=choose) for kind in kinds}


def _headed(base: Net, linear: Linear, splits: Splits, train: Codes) -> Net:
    some = torch.arange(min(CHECKED, len(splits.train)))
    return with_head(base, linear, splits.train.images(some), train.values[some])


def _subject(
    name: str, start: Net, linear: Linear, train: Codes, *, frozen: bool, wish: Wish
) -> tuple[str | Task, Recipe]:
    if name == "features":
        return Fitted(copy.deepcopy(start), linear, train.values), FIT
    recipe = replace(
        TRANSFER,
        name=f"transfer, {name}",
        epochs=wish.epochs,
        batch=wish.batch or TRANSFER.batch,
        optimizer=replace(TRANSFER.optimizer, rate=wish.rate or (1e-3 if name == "scratch" else 3e-4)),
    )
    if name == "scratch":
        arch = start.origin.arch
        if not arch or ":" in arch:
            raise StriateError(
                f"{start.name} cannot be built again from drawn weights", accepted="a net of a source: SOURCE/ARCH"
            )
        return arch.partition("@")[0].removesuffix(".random"), recipe
    policy: Policy = "last" if name == "last" else "blocks" if name == "blocks" else "all"
    return FineTuning(copy.deepcopy(start), policy, frozen_norm=frozen), recipe


def _right(linear: Linear, codes: Codes) -> Number:
    return wilson(int(linear.right(codes.values, codes.labels).sum()), len(codes.labels))


def _dev(run: Training, count: int) -> Number:
    return wilson(round(run.best.value * count), count)


def _rows(rights: Mapping[str, Judged], chosen: str) -> tuple[Measured, ...]:
    first = rights[chosen].right
    rows = []
    for name in (chosen, *(each for each in rights if each != chosen)):
        one = rights[name]
        accuracy = wilson(int(one.right.sum()), len(one.right))
        gap = Number.missing("the net itself") if name == chosen else mcnemar(first, one.right).difference
        rows.append(Measured(name, one.what, accuracy, gap, round(one.seconds, 2), name == chosen, one.dev))
    return tuple(rows)


def _curve(codes: tuple[Codes, Codes, Codes], splits: Splits, classes: int, wish: Wish) -> FewShot | None:
    """Images are drawn from train and dev: nothing is chosen by either here."""
    if not wish.shots:
        return None
    train, dev, test = codes
    labels = torch.cat([train.labels, dev.labels])
    pool = {"codes": Codes(torch.cat([train.values, dev.values]), labels)}
    measured = {"codes": test}
    for name, of in plain_codes(splits, seed=wish.seed).items():
        pool[name] = Codes(torch.cat([of["train"].values, of["dev"].values]), labels)
        measured[name] = of["test"]
    return few_shot(pool, measured, classes, shots=wish.shots, draws=wish.draws, seed=wish.seed)
