"""The doctor in a Hugging Face Trainer.

    from striate.doctor.callbacks.huggingface import Doctor
    trainer = Trainer(..., callbacks=[doctor := Doctor()])

Afterwards ``doctor.findings`` holds what was found; what is serious is said while it trains.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from ..setup import Setup
from .watching import Watching


class Doctor(Watching, TrainerCallback):
    """Watches ``Trainer.train`` and says why the model does not learn.

    The loss is cross-entropy where the model classifies, the data are the Trainer's, where nothing else is given; see
    `Watching`. The Trainer tells its callbacks nothing of an exception: call `close` then, or begin anew.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Look at data and model, then begin to watch."""
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
        self.begin(setup)

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The last look."""
        self.close()
