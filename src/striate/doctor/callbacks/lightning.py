"""The doctor in a Lightning Trainer.

    from striate.doctor.callbacks.lightning import Doctor
    trainer = Trainer(callbacks=[doctor := Doctor(nn.CrossEntropyLoss())])

Afterwards ``doctor.findings`` holds what was found; what is serious is said while it trains.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.loss import _Loss

from ..setup import Setup
from .watching import Watching

try:
    from lightning.pytorch import Callback, LightningModule
except ImportError:
    from pytorch_lightning import Callback, LightningModule  # type: ignore[assignment]

LOSS_NAMES = ("loss_fn", "criterion", "loss_function", "loss")


class Doctor(Watching, Callback):
    """Watches ``Trainer.fit`` and says why the module does not learn.

    The loss is the module's attribute ``loss_fn`` or ``criterion``, the data are the Trainer's and its first
    validation loader, where nothing else is given; see `Watching`.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at data and module, then begin to watch."""
        model = entrance(pl_module)
        loss_fn = self.loss_fn or next((f for n in LOSS_NAMES if callable(f := getattr(pl_module, n, None))), None)
        loaders = trainer.val_dataloaders
        test = self.test if self.test is not None else loaders[0] if isinstance(loaders, list) and loaders else loaders
        train = self.train if self.train is not None else trainer.train_dataloader
        others = [each for each in pl_module.children() if each is not model and not isinstance(each, _Loss)]
        setup = Setup(model, list(trainer.optimizers), loss_fn, train, test or None)
        self.begin(setup, others if model is pl_module else ())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The last look."""
        self.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """What was found until then is kept."""
        self.close(exception)


def entrance(module: nn.Module) -> nn.Module:
    """What is called with a batch: the module, or, where it has no ``forward``, its largest child."""
    if type(module).forward is not LightningModule.forward:
        return module
    size = {each: sum(one.numel() for one in each.parameters()) for each in module.children()}
    return max(size, key=lambda each: size[each]) if size else module
