"""`striate train`: train a net on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.train.payload import Training

from .options import DataArgument, NetLike, OnData, Option, count, number


def train(
    data: DataArgument,
    *,
    net: Annotated[NetLike, Option("net to train, such as striate/small", "NET")] = "striate/small",
    recipe: Annotated[str, Option("how to train; `striate methods` lists the recipes", "NAME")] = "quick",
    epochs: Annotated[
        int | None,
        Option(
            "passes over the training images (default: the recipe's)", "N", parse=lambda text: count(text, "epochs")
        ),
    ] = None,
    rate: Annotated[
        float | None, Option("peak learning rate (default: the recipe's)", "X", parse=lambda text: number(text, "rate"))
    ] = None,
    out: Annotated[str | Path | None, Option("run folder", "RUN", fallback="runs/{data}")] = None,
    resume: Annotated[bool, Option("go on where the run in this folder stopped")] = False,
    **shared: Unpack[OnData],
) -> Report[Training]:
    """Train a net; the run folder holds weights, history and all that is needed to go on or to do it again.

    A kill at any moment loses at most the current epoch; `--resume` ends exactly where the uninterrupted run ends.
    """
