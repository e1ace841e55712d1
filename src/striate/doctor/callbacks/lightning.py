"""The doctor in a Lightning Trainer.

    from striate.doctor.callbacks.lightning import Doctor
    trainer = Trainer(callbacks=[doctor := Doctor(nn.CrossEntropyLoss())])

Afterwards ``doctor.findings`` holds what was found; what is serious is said while it trains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from striate.core.finding import Finding

from ..setup import Setup
from ..watch import Speak, Watch, to_stderr

try:
    from lightning.pytorch import Callback, LightningModule
except ImportError:
    from pytorch_lightning import Callback, LightningModule  # type: ignore[assignment]

LOSS_NAMES = ("loss_fn", "criterion", "loss_function", "loss")


class Doctor(Callback):
    """Watches ``Trainer.fit`` and says why the module does not learn.

    Args:
        loss_fn: ``loss_fn(module(x), y)``; by default the module's own attribute ``loss_fn`` or ``criterion``.
        train: Training data; by default the Trainer's.
        test: Data that are only measured on; by default the Trainer's first validation loader.
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

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at data and module, then begin to watch."""
        self.close()
        model = entrance(pl_module)
        loss_fn = self.loss_fn or next((f for n in LOSS_NAMES if callable(f := getattr(pl_module, n, None))), None)
        loaders = trainer.val_dataloaders
        test = self.test if self.test is not None else loaders[0] if isinstance(loaders, list) and loaders else loaders
        train = self.train if self.train is not None else trainer.train_dataloader
        setup = Setup(model, list(trainer.optimizers), loss_fn, train, test or None)
        others = [
            each for each in pl_module.children() if each is not model and not isinstance(each, nn.modules.loss._Loss)
        ]
        self.watch = Watch(setup, speak=self._speak, entrances=others if model is pl_module else ())
        self.watch.__enter__()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The last look."""
        self.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """What was found until then is kept."""
        if self.watch is not None and not self.watch.case.finished:
            self.watch.__exit__(type(exception), exception, None)

    def close(self) -> None:
        """End watching, if it has begun."""
        if self.watch is not None and not self.watch.case.finished:
            self.watch.__exit__(None, None, None)


def entrance(module: nn.Module) -> nn.Module:
    """What is called with a batch: the module, or, where it has no ``forward``, its largest child."""
    if type(module).forward is not LightningModule.forward:
        return module
    size = {each: sum(one.numel() for one in each.parameters()) for each in module.children()}
    return max(size, key=lambda each: size[each]) if size else module
