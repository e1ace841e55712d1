from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import striate
from doctor.tiny import Loop, names, seen

SGD, ADAM = torch.optim.SGD, torch.optim.AdamW


def test_a_healthy_loop_is_silent() -> None:
    assert not names(Loop().run())
    assert not names(Loop(make=lambda p: ADAM(p, lr=0.01)).run())


def test_gradients_that_stay_are_found_and_accumulation_on_purpose_is_not() -> None:
    assert "gradients-not-cleared" in names(Loop(clear=lambda loop: None).run())
    divided = Loop(
        clear=lambda loop: loop.optimizer.zero_grad() if loop.count % 4 == 0 else None,
        backward=lambda loop, loss: (loss / 4).backward(),
        step=lambda loop: loop.optimizer.step() if loop.count % 4 == 3 else None,
        steps=80,
    )
    assert not names(divided.run())


@pytest.mark.parametrize(("make", "severity"), [(SGD, "warning"), (ADAM, "note")])
def test_whole_losses_that_are_added_up_matter_to_sgd_and_not_to_adam(
    make: Callable[..., object], severity: str
) -> None:
    loop = Loop(
        make=lambda p: make(p, lr=0.01),
        clear=lambda loop: loop.optimizer.zero_grad() if loop.count % 4 == 0 else None,
        step=lambda loop: loop.optimizer.step() if loop.count % 4 == 3 else None,
        steps=80,
    )
    finding = seen(loop.run(), "accumulated-unscaled")
    assert finding.severity == severity
    assert finding.evidence[0].number.value == 4


def test_losses_divided_by_scaling_the_gradients_are_no_fault() -> None:
    def divide(loop: Loop) -> None:
        if loop.count % 4 == 3:
            for each in loop.model.parameters():
                each.grad /= 4

    loop = Loop(
        clear=lambda loop: loop.optimizer.zero_grad() if loop.count % 4 == 0 else None,
        before=divide,
        step=lambda loop: loop.optimizer.step() if loop.count % 4 == 3 else None,
        steps=80,
    )
    assert "accumulated-unscaled" not in names(loop.run())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": lambda loop: None}, "no(ne| step)"),
        ({"backward": lambda loop, loss: None, "step": lambda loop: None}, "no backward"),
        ({"forward": lambda loop, x: loop.twin(x), "step": lambda loop: None}, "never called"),
    ],
)
def test_a_loop_without_a_step_says_what_lacks(change: dict[str, object], words: str) -> None:
    finding = seen(Loop(**change).run(), "never-stepped")  # type: ignore[arg-type]
    assert re.search(words, finding.seen.lower())


def test_gradients_cleared_before_the_step_are_found() -> None:
    doctor = Loop(before=lambda loop: loop.optimizer.zero_grad()).run()
    assert names(doctor)[0] == "gradients-cleared-early"
    assert seen(doctor, "gradients-cleared-early").evidence[1].number.value == 0


def test_a_closure_that_clears_first_is_healthy() -> None:
    def step(loop: Loop) -> None:
        def closure() -> Tensor:
            loop.optimizer.zero_grad()
            loss = loop.loss_fn(loop.model(loop.batch[0]), loop.batch[1])
            loss.backward()
            return loss

        loop.optimizer.step(closure)

    for make in (lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=3), lambda p: SGD(p, lr=0.1)):
        doctor = Loop(make=make, backward=lambda loop, loss: None, step=step, forward=lambda loop, x: x[:, :3]).run()
        assert not [each for each in names(doctor) if each != "full-batch"]


def test_a_rate_of_zero_changes_nothing_and_a_warm_up_from_zero_does() -> None:
    assert "rate is 0" in seen(Loop(make=lambda p: SGD(p, lr=0.0)).run(), "step-changes-nothing").seen
    warm = Loop(schedule=lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: min(1.0, step / 5)))
    assert "step-changes-nothing" not in names(warm.run())


def test_an_optimizer_of_a_copy_is_foreign_and_one_of_the_loss_is_not() -> None:
    model = nn.Linear(4, 3)
    old = copy.deepcopy(model)
    doctor = Loop(model=model, make=lambda p: SGD(old.parameters(), lr=0.1)).run()
    assert names(doctor) == ["optimizer-foreign"]
    assert seen(doctor, "optimizer-foreign").evidence[1].number.value == 2

    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, output: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(output, y) * (-self.weight).exp() + self.weight

    loss_fn = Weighted()
    own = Loop(loss_fn=loss_fn, make=lambda p: SGD([*p, *loss_fn.parameters()], lr=0.1)).run()
    assert not {"optimizer-foreign", "optimizer-missing"} & set(names(own))


def test_left_out_weights_are_found_unless_they_are_frozen() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    loop = Loop(model=model, make=lambda p: SGD(model[2].parameters(), lr=0.1))
    finding = seen(loop.run(), "optimizer-missing")
    assert finding.severity == "warning"
    assert finding.evidence[0].number.value == pytest.approx(40 / 67)
    model[0].requires_grad_(False)
    assert "optimizer-missing" not in names(loop.run())


def test_a_new_head_that_no_optimizer_holds_is_an_error() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 80), nn.Tanh(), nn.Linear(80, 3))
    finding = seen(Loop(model=model, make=lambda p: SGD(model[0].parameters(), lr=0.1)).run(), "optimizer-missing")
    assert finding.severity == "error"
    assert "2.weight among them" in finding.seen


def test_gradients_of_weights_that_are_not_stepped_need_no_clearing() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    assert "gradients-not-cleared" not in names(
        Loop(model=model, make=lambda p: SGD(model[2].parameters(), lr=0.1)).run()
    )


def test_a_parameter_in_two_optimizers_is_found() -> None:
    model = nn.Linear(4, 3)
    both = [SGD(model.parameters(), lr=0.1), SGD([model.bias], lr=0.1)]
    assert "1 parameters" in seen(Loop(model=model, make=lambda p: both).run(), "optimizer-holds-twice").seen


@pytest.mark.parametrize(("decay", "said"), [(0.1, True), (0.01, False)])
def test_a_strong_decay_on_biases_is_noted_and_a_usual_one_is_not(decay: float, said: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    found = Loop(model=model, make=lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=decay), steps=10).run()
    assert ("weight-decay-on-everything" in {each.check for each in found.findings}) is said
    weights = [p for p in model.parameters() if p.ndim > 1]
    apart = Loop(model=model, make=lambda p: torch.optim.AdamW(weights, lr=1e-3, weight_decay=decay), steps=10).run()
    assert "weight-decay-on-everything" not in {each.check for each in apart.findings}


def test_maximize_is_found() -> None:
    assert names(Loop(make=lambda p: SGD(p, lr=0.1, maximize=True)).run())[0] == "optimizer-maximizes"


@pytest.mark.parametrize("loss", [lambda o, y: -nn.functional.cross_entropy(o, y), lambda o, y: -(o - 1).pow(2).mean()])
def test_a_negative_loss_is_wrong_only_where_it_cannot_be_negative(loss: Callable[..., Tensor]) -> None:
    found = names(Loop(loss_fn=loss, steps=10).run())
    assert ("loss-sign" in found) == ("cross_entropy" in loss.__code__.co_names)


def test_a_minus_before_backward_is_found() -> None:
    assert "loss-below-zero" in names(Loop(backward=lambda loop, loss: (-loss).backward()).run())


def test_a_sum_over_the_batch_is_found_and_a_mean_written_as_a_sum_is_not() -> None:
    summed = Loop(loss_fn=nn.CrossEntropyLoss(reduction="sum"), make=lambda p: SGD(p, lr=0.01)).run()
    finding = seen(summed, "loss-reduction")
    assert finding.severity == "warning"
    assert finding.evidence[0].number.value == pytest.approx(2, abs=0.3)
    with_adam = Loop(loss_fn=nn.CrossEntropyLoss(reduction="sum"), make=ADAM).run()
    assert seen(with_adam, "loss-reduction").severity == "note"
    mean = Loop(loss_fn=lambda o, y: nn.functional.cross_entropy(o, y, reduction="none").sum() / len(y))
    assert "loss-reduction" not in names(mean.run())


def test_clipping_that_leaves_little_is_found_with_the_share() -> None:
    clip = lambda loop: nn.utils.clip_grad_norm_(loop.model.parameters(), 0.001) and None  # noqa: E731
    finding = seen(Loop(before=clip).run(), "clipping-always")
    assert finding.severity == "warning"
    assert finding.evidence[0].number.value * finding.evidence[1].number.value == pytest.approx(0.001, rel=0.2)
    usual = lambda loop: nn.utils.clip_grad_norm_(loop.model.parameters(), 1.0) and None  # noqa: E731
    assert "clipping-always" not in names(Loop(before=usual).run())


def test_a_scaler_used_rightly_is_silent_and_its_three_misuses_are_told_apart() -> None:
    def loop(**change: object) -> Loop:
        scaler = torch.amp.GradScaler("cpu")

        def step(loop: Loop) -> None:
            scaler.step(loop.optimizer)
            scaler.update()

        def clip(loop: Loop) -> None:
            if change.get("unscale"):
                scaler.unscale_(loop.optimizer)
            nn.utils.clip_grad_norm_(loop.model.parameters(), 1.0)

        return Loop(
            backward=lambda loop, loss: scaler.scale(loss).backward(),
            step=(lambda loop: loop.optimizer.step()) if change.get("bare") else step,
            before=clip if "unscale" in change else (lambda loop: None),
        )

    assert not names(loop().run())
    assert not names(loop(unscale=True).run())
    assert names(loop(unscale=False).run())[0] == "clipped-before-unscaling"
    bare = loop(bare=True).run()
    assert names(bare)[0] == "gradients-still-scaled"
    assert seen(bare, "gradients-still-scaled").evidence[0].number.value == pytest.approx(65536, rel=1e-3)


def test_steps_that_are_left_out_are_counted() -> None:
    doctor = Loop(step=lambda loop: loop.optimizer.step() if loop.count % 3 else None, steps=60).run()
    assert doctor.case.trace.skipped == 20
    assert seen(doctor, "amp-skips").evidence[0].number.value == pytest.approx(1 / 3, abs=0.02)
    rare = Loop(step=lambda loop: loop.optimizer.step() if loop.count % 20 else None, steps=60).run()
    assert "amp-skips" not in names(rare)


def test_backward_from_one_loss_twice_is_found_and_from_two_losses_is_not() -> None:
    def twice(loop: Loop, loss: Tensor) -> None:
        loss.backward(retain_graph=True)
        loss.backward()

    def two(loop: Loop, loss: Tensor) -> None:
        loss.backward(retain_graph=True)
        (loop.output.square().mean() * 0.01).backward()

    assert "backward-twice" in names(Loop(backward=twice).run())
    assert "backward-twice" not in names(Loop(backward=two).run())


def test_gradients_that_are_nan_are_found_before_and_in_the_run() -> None:
    class Root(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            output = super().forward(x)
            return output / (1 + (output * 0).square().sum(1, keepdim=True).sqrt())

    assert names(Loop(model=Root(4, 3), steps=3).run())[0] == "gradients-not-finite"
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.bias)
    penalty = lambda o, y: nn.functional.cross_entropy(o, y) + model.bias.square().sum().sqrt()  # noqa: E731
    assert names(Loop(model=model, loss_fn=penalty, steps=8).run())[0] == "gradients-became-nan"


def test_float16_without_a_scaler_is_found_and_bfloat16_is_not() -> None:
    def under(kind: torch.dtype) -> Callable[[Loop, Tensor], Tensor]:
        def forward(loop: Loop, x: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=kind):
                return loop.model(x).float()

        return forward

    assert "amp-unscaled" in names(Loop(forward=under(torch.float16)).run())
    assert "amp-unscaled" not in names(Loop(forward=under(torch.bfloat16)).run())


def test_weights_in_bfloat16_are_a_note() -> None:
    doctor = Loop(model=nn.Linear(4, 3).bfloat16(), forward=lambda loop, x: loop.model(x.bfloat16()).float()).run()
    assert seen(doctor, "weights-in-half").severity == "note"


def test_a_loss_through_another_net_that_learns_may_rise() -> None:
    def run(judged: bool) -> set[str]:
        torch.manual_seed(0)
        made, judge = nn.Linear(4, 3), nn.Linear(3, 3)
        ours, theirs = SGD(made.parameters(), lr=0.01), SGD(judge.parameters(), lr=0.3)
        judge.requires_grad_(judged)
        with striate.watch(made, ours, quiet=True) as doctor:
            for at in range(60):
                x = torch.randn(32, 4)
                ours.zero_grad()
                (judge(made(x)).pow(2).mean() * (1 + 0.2 * at)).backward()
                ours.step()
                if judged:
                    theirs.zero_grad()
                    (-judge(made(x).detach()).mean()).backward()
                    theirs.step()
        return set(names(doctor))

    assert "diverged" not in run(judged=True)
    assert "diverged" in run(judged=False)
