"""The doctor in a Hugging Face Trainer.

    from striate.doctor.callbacks.huggingface import Doctor
    trainer = Trainer(..., callbacks=[doctor := Doctor()])

Afterwards ``doctor.findings`` holds what was found; what is serious is said while it trains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback

from striate.core.finding import Finding

from ..setup import Setup
from ..watch import Speak, Watch, to_stderr


class Doctor(TrainerCallback):
    """Watches ``Trainer.train`` and says why the model does not learn.

    The Trainer tells its callbacks nothing of an exception: then call `close`, or begin anew.

    Args:
        loss_fn: ``loss_fn(logits, labels)``; by default cross-entropy where the model classifies.
        train: Training data; by default the Trainer's.
        test: Data that are only measured on; by default the Trainer's ``eval_dataset``.
        speak: Called with the line of each serious finding; to stderr by default.
        quiet: Say nothing.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any] | None = None,
        *,
        train: Any = None,
        test: Any = None,
        speak: Speak | None = None,
        quiet: bool = False,
    ) -> None:
        self.loss_fn, self.train, self.test = loss_fn, train, test
        self.watch: Watch | None = None
        self._speak = None if quiet else (speak or to_stderr)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, causes first."""
        return () if self.watch is None else self.watch.findings

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Look at data and model, then begin to watch."""
        self.close()
        model = given["model"]
        loss_fn = self.loss_fn
        kind = getattr(getattr(model, "config", None), "problem_type", None)
        if loss_fn is None and hasattr(model, "config") and kind in (None, "single_label_classification"):
            loss_fn = torch.nn.functional.cross_entropy
        setup = Setup(
            model,
            given.get("optimizer"),
            loss_fn,
            self.train if self.train is not None else given.get("train_dataloader"),
            self.test if self.test is not None else given.get("eval_dataloader"),
            pretrained=bool(getattr(getattr(model, "config", None), "_name_or_path", "")),
        )
        self.watch = Watch(setup, speak=self._speak)
        self.watch.__enter__()

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The last look."""
        self.close()

    def close(self) -> None:
        """End watching, if it has begun."""
        if self.watch is not None and not self.watch.case.finished:
            self.watch.__exit__(None, None, None)
