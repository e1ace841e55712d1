from __future__ import annotations

import pytest

from striate.training.events import EVENTS, Events, State, best_of
from striate.training.payload import BY_LOSS, Best, Choice, Epoch


def row(epoch, accuracy, loss):
    return Epoch(epoch, 0.0, 0.0, loss, accuracy, 0.0, 0.0)


def test_calls_come_in_order_and_are_undone():
    events, heard = Events(), []
    state = State(task=None, nets={}, optimizers={}, epochs=1, steps=1, batch=1)
    with events.attached(step=lambda _: heard.append("first")):
        with events.attached(step=lambda _: heard.append("second"), run_end=lambda _: heard.append("end")):
            events.emit("step", state)
        events.emit("step", state)
        events.emit("run_end", state)
    events.emit("step", state)
    assert heard == ["first", "second", "first"]


def test_calls_are_undone_after_an_exception_too():
    events, heard = Events(), []
    with pytest.raises(ZeroDivisionError), events.attached(step=heard.append):
        raise ZeroDivisionError
    events.emit("step", None)
    assert heard == []


def test_an_unknown_event_is_an_error():
    with pytest.raises(KeyError, match="stepp"), Events().attached(stepp=print):
        pass
    assert "step" in EVENTS


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_is_the_earliest():
    rows = [row(1, 0.5, 0.1), row(2, 0.9, 0.4), row(3, 0.9, 0.3), row(4, 0.9, 0.3), row(5, 0.8, 0.0)]
    best = best_of(rows)
    assert (best.epoch, best.value, best.metric) == (3, 0.9, "dev accuracy")


def test_a_task_may_choose_the_lowest_or_the_highest_of_any_figure() -> None:
    def row(epoch: int, loss: float, sharp: float) -> Epoch:
        figures = {"loss": loss, "sharp": sharp}
        return Epoch.of(epoch, figures, figures, rate=0.1, seconds=1.0)

    rows = [row(1, 0.5, 3.0), row(2, 0.2, 1.0), row(3, 0.2, 2.0), row(4, 0.4, 3.0)]
    assert best_of(rows, BY_LOSS) == Best("dev loss", 0.2, 2)
    assert best_of(rows, Choice("sharp")) == Best("dev sharp", 3.0, 4)  # of equal ones that with the lower loss
    assert best_of(rows, Choice("sharp", highest=False)) == Best("dev sharp", 1.0, 2)
    assert (rows[0].train_accuracy, rows[0].more) == (None, {"train_sharp": 3.0, "dev_sharp": 3.0})
    with pytest.raises(KeyError):
        best_of(rows)
