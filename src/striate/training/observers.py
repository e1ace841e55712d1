"""What watches a run: the progress bar, the CSV, the checkpoints. Each hangs on named events and undoes itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from striate.core.codec import from_json, to_json
from striate.core.errors import RunError
from striate.core.progress import Progress, Step
from striate.core.ranks import ranks
from striate.core.storage import write_bytes
from striate.nets.load import save_weights
from striate.nets.net import Net
from striate.nets.weights import FORMAT, write_weights

from .events import Events, Observer, State, best_of
from .payload import Epoch
from .run import CHECKPOINT, WEIGHTS, Record, save_history


def writing(folder: Path, record: Record, keep: int | None, progress: Progress) -> list[Observer]:
    """What every run is watched by: checkpoints, ``metrics.csv``, a bar."""
    return [checkpoints(folder, record, keep=keep), metrics_file(folder), progress_bar(progress)]


def progress_bar(progress: Progress) -> Observer:
    """Images done of all epochs together, with the loss of the latest step and what chooses the epoch, on dev."""

    @contextmanager
    def watch(events: Events) -> Iterator[None]:
        with ExitStack() as stack:
            steps: list[Step] = []

            def begin(state: State) -> None:
                total = (state.steps - state.step) * state.batch
                steps.append(stack.enter_context(progress.task("training", total)))

            def count(state: State) -> None:
                figure = state.task.choice.figure
                form = ".1%" if figure == "accuracy" else ".3g"
                dev = f", dev {state.history[-1].dev(figure):{form}}" if state.history else ""
                epoch = f"epoch {min(state.epoch + 1, state.epochs)}/{state.epochs}"
                steps[0](state.batch, f"{epoch}, loss {state.figures['loss']:.3f}{dev}")

            def end(state: State) -> None:
                if state.epoch < state.epochs:
                    progress.say(f"ended after epoch {state.epoch} of {state.epochs}: no new best on dev for a while")
                if state.scaler is not None and state.scaler.skipped:
                    progress.say(f"note: {state.scaler.skipped} of {state.step} steps overflowed and were left out")

            with events.attached(run_start=begin, step=count, run_end=end):
                yield

    return watch


def metrics_file(folder: Path) -> Observer:
    """``metrics.csv``, whole after every epoch."""

    def write(state: State) -> None:
        save_history(folder, state.history)

    @contextmanager
    def watch(events: Events) -> Iterator[None]:
        with events.attached(run_start=write, epoch_end=write):
            yield

    return watch


def checkpoints(folder: Path, record: Record, *, keep: int | None = None) -> Observer:
    """The weights of the best epoch so far, then all that is needed to go on, after every epoch.

    With ``keep`` the weights before the first step and after every so many epochs stay too, each file a net by its
    path: ``checkpoints/epoch-004.safetensors``.
    """

    @contextmanager
    def watch(events: Events) -> Iterator[None]:
        def put_by(state: State) -> None:
            if keep is not None and state.epoch % keep == 0:
                save_nets(folder / "checkpoints", state, record, stem=f"epoch-{state.epoch:03d}")

        def save(state: State) -> None:
            if best_of(state.history, state.task.choice).epoch == state.epoch:
                save_best(folder, state, record)
            put_by(state)
            save_checkpoint(folder, state)
            state.saved = state.epoch
            events.emit("checkpoint", state)

        with events.attached(run_start=put_by, epoch_end=save):
            yield

    return watch


def save_best(folder: Path, state: State, record: Record) -> None:
    """``weights.safetensors`` of the first net, ``weights.NAME.safetensors`` of others."""
    save_nets(folder, state, record, stem=Path(WEIGHTS).stem)


def save_nets(folder: Path, state: State, record: Record, *, stem: str) -> None:
    """``STEM.safetensors`` of the first net, ``STEM.NAME.safetensors`` of others, as they are judged now."""
    said = {"data": record.data, "recipe": record.recipe.name, "epoch": str(state.epoch)}
    if state.history:
        figure = state.task.choice.figure
        said[f"dev_{figure}"] = repr(state.history[-1].dev(figure))
    with state.as_judged():
        for index, (name, net) in enumerate(state.nets.items()):
            path = folder / (f"{stem}.safetensors" if index == 0 else f"{stem}.{name}.safetensors")
            if isinstance(net, Net):
                save_weights(net, path, metadata={**record.about, **said})
            else:
                write_weights(net, path, {"striate": FORMAT, "task": record.task, **record.about, **said})


def save_checkpoint(folder: Path, state: State) -> None:
    """``checkpoints/last.pt``: nets, optimizers, history; ``torch.load(..., weights_only=True)`` reads it."""
    content: dict[str, Any] = {
        "nets": {name: net.state_dict() for name, net in state.nets.items()},
        "optimizers": {name: each.state_dict() for name, each in state.optimizers.items()},
        "history": to_json(state.history),
        "average": state.average.state_dict() if state.average else None,
    }
    if state.scaler is not None:
        content["scaler"] = state.scaler.state_dict()

    buffer = io.BytesIO()  # written straight to a full disk, torch would hide why it failed
    torch.save(content, buffer)
    write_bytes(folder / CHECKPOINT, buffer.getvalue())


def restore(folder: Path, state: State) -> None:
    """Bring nets, optimizers and history to where the last checkpoint left them; without one, leave them at the start.

    Of several ranks the first reads it, and tells the others.

    Raises:
        RunError: The checkpoint cannot be read or does not fit.
    """
    path = folder / CHECKPOINT
    content = ranks().led(lambda: _checkpoint(path) if path.exists() else None)
    if content is None:
        return
    try:
        for name, net in state.nets.items():
            net.load_state_dict(content["nets"][name])
        for name, optimizer in state.optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])
        if state.average is not None:
            state.average.load_state_dict(content["average"])
        if state.scaler is not None:
            state.scaler.load_state_dict(content["scaler"])
        state.history[:] = from_json(content["history"], list[Epoch])
    except Exception as error:
        raise _unfit(path, error) from error
    state.epoch = state.saved = len(state.history)
    state.step = state.epoch * (state.steps // state.epochs)


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unfit(path, error) from error
    return content


def _unfit(path: Path, error: Exception) -> RunError:
    return RunError(f"cannot go on from {path}: {error}", hint="--overwrite to begin anew")
