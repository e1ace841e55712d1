"""The doctor in ``model.fit`` of Keras with its torch backend.

    from striate.doctor.callbacks.keras import Doctor
    model.fit(x, y, callbacks=[doctor := Doctor(train=(x, y), test=(tx, ty))])

Keras calls its layers and its optimizers by ways of its own, so that torch's hooks do not see them: here Keras' events
say when a step begins and ends. Data are given anew, as Keras does not tell callbacks of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError

from ..setup import Setup
from .watching import Watching


class Shell(nn.Module):
    """A Keras model called as torch modules are: training or eval mode is the module's own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """The model's output."""
        output: Tensor = self.model(x, training=self.training)
        return output

    def __deepcopy__(self, memo: dict[int, Any]) -> Shell:
        twin = keras.models.clone_model(self.model)
        twin.set_weights(self.model.get_weights())
        return Shell(twin).train(self.training)


class Rates:
    """The learning rate of a Keras optimizer, where a torch optimizer has it."""

    def __init__(self, optimizer: Any, model: nn.Module) -> None:
        self._optimizer, self._model = optimizer, model

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One group of all that is trained."""
        rate = float(keras.ops.convert_to_numpy(self._optimizer.learning_rate))
        params = [each for each in self._model.parameters() if each.requires_grad]
        return [{"params": params, "lr": rate, "weight_decay": float(self._optimizer.weight_decay or 0.0)}]


class Doctor(Watching, keras.callbacks.Callback):  # type: ignore[misc]
    """Watches ``fit`` and says why the model does not learn.

    The loss is the compiled one, where no other is given; data must be given, as ``fit`` is given them. See `Watching`.

    Raises:
        StriateError: Keras runs on another backend than torch.
    """

    def __init__(self, loss_fn: Callable[..., Any] | None = None, **given: Any) -> None:
        if keras.backend.backend() != "torch":
            raise StriateError(
                f"Keras runs on {keras.backend.backend()}", accepted="its torch backend", hint="KERAS_BACKEND=torch"
            )
        super().__init__(loss_fn, **given)

    def on_train_begin(self, logs: Any = None) -> None:
        """Look at data and model, then begin to watch."""
        shell = Shell(self.model)
        rates: Any = Rates(self.model.optimizer, shell)
        self.begin(Setup(shell, rates, self.loss_fn or self._compiled(), self.train, self.test))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A step begins."""
        if self.watch is not None:
            self.watch.recorder.begin_step()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is over."""
        if self.watch is not None:
            self.watch.recorder.end_step()

    def on_train_end(self, logs: Any = None) -> None:
        """The last look."""
        self.close()

    def _compiled(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        given = getattr(self.model, "loss", None)
        if given is None:
            return None
        loss = keras.losses.get(given)

        def loss_fn(output: Tensor, target: Tensor) -> Tensor:
            value: Tensor = torch.as_tensor(loss(target, output))
            return value.mean()

        return loss_fn
