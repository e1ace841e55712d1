"""Checks of what lies between backward and step: gradients kept, never used, scaled, clipped, lost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..course import invariant
from ..trace import Probe


@check(
    "never-stepped",
    what="the loop never changes a weight: no backward, no step, or another model than the one that was given",
    why="without a step nothing is learnt",
    phase="run",
    needs=("optimizer",),
    symptom="flat",
    mend="Call backward on the loss and then the optimizer's step, for each batch.",
    code="optimizer.zero_grad(); loss.backward(); optimizer.step()",
    leads_to=("no-progress", "plateau", "scheduler-each-step", "rate-collapsed"),
)
def never_stepped(case: Case, limits: Limits) -> Iterator[Seen]:
    trace = case.trace
    if trace is None or not case.finished or trace.steps or (trace.error and trace.backwards < 3):
        return
    mend = None
    if trace.backwards and trace.skipped >= trace.backwards - 1 and trace.skipped > 1:
        seen = f"None of {trace.backwards} backward passes was followed by a step: their gradients were thrown away."
        mend = (
            "Call the step of this optimizer after each backward. With a gradient scaler: make it once, before the "
            "loop; it leaves out every step while its factor is too large."
        )
    elif trace.backwards:
        seen = f"{trace.backwards} backward passes, and no step of the optimizer."
    elif trace.passes > 1 and not trace.error:
        seen = f"{trace.passes} passes forward, and no backward."
    elif trace.elapsed > 0 and not trace.passes and not trace.error:
        seen = "The model that was given was never called."
        mend = "Give the doctor the model that the loop trains: not a copy, and not one made anew inside the loop."
    else:
        return
    yield Seen(seen, sure=0.95, mend=mend, evidence=(
        Evidence("passes forward", Number.of(trace.passes)),
        Evidence("backward passes", Number.of(trace.backwards)),
        Evidence("steps", Number.of(0), limit="none"),
    ))  # fmt: skip


@check(
    "gradients-not-cleared",
    what="gradients of earlier steps are still there when backward adds new ones",
    why="each step follows the sum of all gradients so far: it overshoots ever further",
    phase="run",
    needs=("steps",),
    symptom="unstable",
    mend="Clear the gradients before each backward.",
    code="optimizer.zero_grad()  # before loss.backward()",
    thresholds=(Threshold("share of steps", 0.9, "arithmetic: accumulation on purpose steps once for several"),),
    source="",
    leads_to=("diverged", "rate-too-high", "no-progress", "loss-spikes", "plateau"),
)
def gradients_not_cleared(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps[1:]
    share = sum(each.kept for each in steps) / len(steps)
    if share >= limits["share of steps"]:
        yield Seen(
            f"In {share:.0%} of the steps backward added to the gradients of the step before.",
            evidence=(Evidence("share of steps", Number.of(share), limit="at least .9"),),
            sure=1.0,
        )


@check(
    "gradients-cleared-early",
    what="gradients are cleared between backward and step",
    why="the step finds none and changes nothing",
    phase="run",
    needs=("steps", "probes"),
    symptom="flat",
    mend="Clear the gradients before backward, or after the step; never between.",
    code="optimizer.zero_grad(); loss.backward(); optimizer.step()  # in this order",
    leads_to=("step-changes-nothing", "no-progress", "rate-too-low", "plateau", "clipping-always"),
)
def gradients_cleared_early(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    probes = [each for each in case.trace.probes if each.before > 0]
    empty = [each for each in probes if each.after == 0]
    if len(probes) >= 3 and len(empty) == len(probes):
        yield Seen(
            f"Backward left gradients of norm {median(each.before for each in probes):.2g}, and the step found none, "
            f"in each of {len(probes)} steps that were looked into.",
            evidence=(
                Evidence("norm after backward", Number.of(median(each.before for each in probes))),
                Evidence("norm at the step", Number.of(0.0), limit="0"),
            ),
            sure=1.0,
        )


@check(
    "step-changes-nothing",
    what="the optimizer steps, and every weight stays as it was",
    why="without a change nothing is learnt",
    phase="run",
    needs=("steps", "probes"),
    symptom="flat",
    mend="Look what the optimizer holds: make it after the model, with model.parameters().",
    code="optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)",
    leads_to=("no-progress", "rate-too-low", "plateau"),
)
def step_changes_nothing(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    probes = [each for each in case.trace.probes if each.updates]
    if len(probes) < 3 or len(case.setup.optimizers) > 1:
        return
    if any(value != 0 for each in probes for value in each.updates.values()):
        return
    rates = case.trace.rates()
    mend = code = None
    if max(rates) == 0:
        seen, mend = "The learning rate is 0 in every step.", "Give the optimizer a learning rate above 0."
        code = "torch.optim.AdamW(model.parameters(), lr=1e-3)"
    elif max(each.after for each in probes) == 0:
        seen = "No gradient comes to any weight, so the steps change nothing."
        mend = "Look where the loss loses its way to the weights: a detach, an argmax, rounding, no_grad."
        code = ""
    else:
        seen = f"None of {len(probes)} steps that were looked into changed a weight of the model."
    yield Seen(
        seen,
        mend=mend,
        code=code,
        evidence=(
            Evidence("largest change of a weight", Number.of(0.0), limit="0"),
            Evidence("largest learning rate", Number.of(max(rates))),
        ),
        sure=1.0,
    )


def _of_scaler(case: Case) -> list[Probe]:
    """Steps that were looked into in which a gradient scaler had multiplied the loss."""
    assert case.trace is not None
    return [each for each in case.trace.probes if each.scale > 1 and 0 < each.before < math.inf]


@check(
    "gradients-still-scaled",
    what="the loss is scaled for float16, and the optimizer takes the gradients as they are",
    why="they are too large by the scaler's factor, thousands of times",
    phase="run",
    needs=("steps", "probes"),
    symptom="unstable",
    mend="Let the scaler make the step: it divides the gradients first.",
    code="scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()",
    source="Micikevicius et al. 2018, section 3.2",
    thresholds=(Threshold("times the gradient", 4.0, "arithmetic: 1 where the scaler unscales"),),
    leads_to=("rate-too-high", "diverged", "no-progress", "gradients-not-finite", "loss-spikes"),
)
def gradients_still_scaled(case: Case, limits: Limits) -> Iterator[Seen]:
    ratios = [each.after / each.before for each in _of_scaler(case)]
    if ratios and median(ratios) > limits["times the gradient"]:
        yield Seen(
            f"The optimizer takes gradients {median(ratios):,.0f} times too large: the scaler's factor was not divided "
            "out.",
            evidence=(Evidence("gradient at the step over the loss's own", Number.of(median(ratios)), limit="over 4"),),
            sure=0.95,
        )  # fmt: skip


@check(
    "clipped-before-unscaling",
    what="gradients are clipped while they still carry the float16 scaler's factor",
    why="every gradient is over the bound then: what is left of it after unscaling is thousands of times too small",
    phase="run",
    needs=("steps", "probes"),
    symptom="slow",
    mend="Divide the factor out before clipping.",
    code="scaler.unscale_(optimizer); nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    source="Micikevicius et al. 2018, section 3.2",
    thresholds=(Threshold("share of the gradient that is left", 0.01, "healthy set-ups lie above .05"),),
    leads_to=("clipping-always", "rate-too-low", "no-progress", "plateau"),
)
def clipped_before_unscaling(case: Case, limits: Limits) -> Iterator[Seen]:
    probes = _of_scaler(case)
    shares = [each.after / each.before for each in probes if each.after > 0]
    if shares and median(shares) < limits["share of the gradient that is left"]:
        bound = median(each.after * each.scale for each in probes if each.after > 0)
        yield Seen(
            f"Of each gradient {median(shares):.1e} is left at the step: it was clipped to {bound:.2g} while it still "
            f"was {probes[0].scale:,.0f} times too large.",
            severity="warning",
            evidence=(
                Evidence("share of the gradient that is left", Number.of(median(shares)), limit="below .01"),
                Evidence("the scaler's factor", Number.of(probes[0].scale)),
            ),
            sure=0.95,
        )


@check(
    "amp-skips",
    what="the float16 scaler leaves out many steps",
    why="a step whose gradients overflow is thrown away with its batch",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Make one scaler before the loop and keep it, with its default factor and growth interval.",
    code="scaler = torch.amp.GradScaler()  # once, before the loop",
    source="Micikevicius et al. 2018, section 3.2",
    thresholds=(Threshold("share of the backward passes", 0.2, "a scaler leaves out a few steps at the start"),),
    leads_to=("no-progress", "plateau"),
    else_=(
        "a loop that leaves out batches on purpose, for instance those with a large loss",
        "another net trained through this one, or adversarial inputs made by its gradients",
    ),
)
def amp_skips(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps
    late = steps[len(steps) // 2 :]
    lost, made = sum(each.skipped for each in late), sum(each.backwards for each in late)
    share = lost / max(lost + made, 1)
    if late and all(each.alike for each in late):
        return  # each step alike: a method that goes back twice on purpose (sharpness-aware, extragradient)
    if lost >= 5 and share > limits["share of the backward passes"]:
        scaled = bool(_of_scaler(case))
        yield Seen(
            f"{share:.0%} of the backward passes in the second half were followed by no step: their gradients were "
            "thrown away.",
            severity="warning" if scaled else "note",  # without a scaler most loops mean it
            sure=0.9 if scaled else 0.5,
            mend=None
            if scaled
            else "Look whether the loop means it: where another net is trained through this one, or "
            "inputs are made from gradients, it is right; else call the step after each backward.",
            code=None if scaled else "",
            evidence=(Evidence("share of backward passes", Number.of(share), limit="above .2"),),
        )


@check(
    "amp-unscaled",
    what="float16 without a gradient scaler",
    why="gradients below 6e-8 become 0 in float16, and small ones lose their digits",
    phase="run",
    needs=("steps", "probes"),
    symptom="slow",
    mend="Scale the loss with a GradScaler, or take bfloat16, which has float32's range.",
    code="with torch.autocast(device, dtype=torch.bfloat16): loss = loss_fn(model(x), y)",
    source="Micikevicius et al. 2018, section 3.2",
    leads_to=("rate-too-low",),
)
def amp_unscaled(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    probes = [each for each in case.trace.probes if each.half == "float16"]
    if len(probes) >= 3 and all(each.scale == 1 for each in probes):
        zeros = [each.zeros for each in probes if each.zeros is not None]
        yield Seen(
            "The passes run in float16, and no scaler multiplies the loss"
            + (f"; {median(zeros):.0%} of the gradients' entries are exactly 0." if zeros else "."),
            severity="warning",
            sure=0.95,
            evidence=(Evidence("share of gradients that are 0", Number.of(median(zeros))),) if zeros else (),
        )


@check(
    "gradients-not-finite",
    what="gradients that are NaN or infinite while the loss is a number",
    why="one step with them makes every weight NaN",
    phase="start",
    needs=("start", "loss"),
    symptom="nan",
    mend="Find the operation whose derivative is infinite there: a square root or norm at 0, a logarithm of 0, a "
    "division by a small number; add a small number under it.",
    code="torch.sqrt(value + 1e-12)  # or torch.autograd.set_detect_anomaly(True) to find the place",
    leads_to=("gradients-became-nan", "diverged", "rate-too-high", "no-progress"),
)
def gradients_not_finite(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    if case.start.loss is None or not math.isfinite(case.start.loss):
        return
    bad = [n for n, each in case.start.gradients.items() if each is not None and not bool(each.isfinite().all())]
    if bad:
        yield Seen(
            f"The loss is {case.start.loss:.3g} before the first step, and the gradients of {len(bad)} of "
            f"{len(case.start.gradients)} parameters are NaN or infinite, {bad[0]} among them.",
            sure=1.0,
            evidence=(Evidence("parameters with such gradients", Number.of(len(bad)), limit="above 0"),),
        )


@check(
    "gradients-became-nan",
    what="a step takes gradients that are NaN or infinite, though its loss is a number",
    why="every weight is NaN from there on",
    phase="run",
    needs=("steps", "probes"),
    symptom="nan",
    mend="Find the operation whose derivative is infinite there: a square root or norm at 0, a logarithm of 0, a "
    "division by a small number; add a small number under it.",
    code="torch.sqrt(value + 1e-12)  # or torch.autograd.set_detect_anomaly(True) to find the place",
    leads_to=("diverged", "rate-too-high", "no-progress"),
    else_=("weights that grew too large before", "a float16 overflow that no scaler caught"),
)
def gradients_became_nan(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = case.trace.losses()
    for probe in case.trace.probes:
        if not math.isfinite(losses[probe.step]) or losses[probe.step] > 3 * abs(losses[0]):
            return  # the weights went astray before
        if not probe.finite:
            bad = [n for n, each in probe.gradients.items() if each is not None and not math.isfinite(each)]
            yield Seen(
                f"At step {probe.step:,} the loss is {losses[probe.step]:.3g}, and the gradients of {len(bad)} of "
                f"{len(probe.gradients)} parameters are NaN or infinite, {bad[0]} among them.",
                sure=0.9 if probe.step < 3 else 0.7,
                evidence=(Evidence("parameters with such gradients", Number.of(len(bad)), limit="above 0"),),
            )
            return


@check(
    "backward-twice",
    what="backward runs twice from the same loss before a step",
    why="the gradient is counted twice: the step is as large as with twice the rate",
    phase="run",
    needs=("steps",),
    symptom="unstable",
    mend="Call backward once for each loss.",
    code="loss.backward()  # once, without retain_graph=True",
    thresholds=(Threshold("share of steps", 0.9, "arithmetic"),),
    leads_to=("rate-too-high", "diverged"),
)
def backward_twice(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps
    share = sum(each.again > 0 for each in steps) / len(steps)
    if share >= limits["share of steps"]:
        yield Seen(
            f"In {share:.0%} of the steps backward ran again from the loss from which it had just run.",
            severity="warning",
            evidence=(Evidence("share of steps", Number.of(share), limit="at least .9"),),
            sure=0.95,
        )


@check(
    "accumulated-unscaled",
    what="gradients of several batches are added up, and the losses are not divided by their number",
    why="the step is as large as with that many times the rate",
    phase="run",
    needs=("steps", "start", "loss"),
    symptom="unstable",
    mend="Divide each loss by the number of batches a step.",
    code="(loss / batches_a_step).backward()",
    thresholds=(Threshold("times the loss divided", 1.4, "the loss of a step is divided, or it is not"),),
    else_=("a rate that was chosen for the sum of the gradients",),
    leads_to=("rate-too-high", "diverged"),
)
def accumulated_unscaled(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    assert case.start is not None
    steps, loss = case.trace.steps, case.start.loss
    times = int(median(each.backwards for each in steps))
    if times < 2 or loss is None or loss <= 0 or len(case.setup.optimizers) > 1:
        return
    if median(each.passes for each in steps) != times or any(each.inside for each in steps):
        return  # several losses of one pass, or a closure's passes
    seen = case.trace.losses()[0] / loss
    cut = [each.after / each.before for each in case.trace.probes if each.before > 0]
    if seen < max(times**-0.5, limits["times the loss divided"] / times) or (cut and median(cut) < 1.5 / times):
        return  # the losses, or the gradients, are divided
    same = all(invariant(each) for each in case.setup.optimizers)
    yield Seen(
        f"Each step adds up the gradients of {times} batches whose losses are whole ({seen:.2f} of the loss of one): "
        + ("Adam and its kin take that out again." if same else f"it acts like {times} times the rate."),
        severity="note" if same else "warning",
        sure=0.8,
        evidence=(
            Evidence("backward passes a step", Number.of(times), limit="above 1"),
            Evidence("first loss over the loss at the start", Number.of(seen), limit=f"1 / {times} where divided"),
        ),
    )


@check(
    "clipping-always",
    what="gradients are clipped to a small part of their size in nearly every step",
    why="the bound, not the gradient, decides how large a step is: learning is slow, and the rate means little",
    phase="run",
    needs=("steps", "probes"),
    symptom="slow",
    mend="Set the bound near the usual norm of the gradients, so that only outliers are clipped.",
    thresholds=(
        Threshold("share of the gradient that is left", 0.1, "healthy set-ups with plain SGD lie above .4"),
        Threshold("share of steps", 0.9, "nearly all"),
    ),
    source="Pascanu, Mikolov & Bengio 2013, section 3.2",
    leads_to=("rate-too-low", "no-progress", "plateau"),
    else_=("a rate that was chosen for steps of one length",),
)
def clipping_always(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    probes = [each for each in case.trace.probes if 0 < each.before < math.inf and each.after > 0]
    shares = [each.after / each.before for each in probes]
    if len(probes) < 5 or sum(each < 0.97 for each in shares) < limits["share of steps"] * len(shares):
        return
    left = median(shares)
    if left > 0.5:
        return
    norm = median(each.before for each in probes)
    same = all(invariant(each) for each in case.setup.optimizers)
    hard = left < limits["share of the gradient that is left"] and not same
    yield Seen(
        f"Gradients of norm {norm:.2g} are cut to {left:.1%} of it in nearly every step.",
        severity="warning" if hard else "note",
        sure=0.9 if hard else 0.6,
        code=f"nn.utils.clip_grad_norm_(model.parameters(), {float(f'{norm:.1g}'):g})",
        evidence=(
            Evidence("share of the gradient that is left", Number.of(left), limit="below .1"),
            Evidence("norm of the gradients before", Number.of(norm)),
        ),
    )


@check(
    "weights-in-half",
    what="weights kept in float16 or bfloat16 themselves",
    why="a step smaller than a 256th of a weight (bfloat16) is lost in rounding",
    phase="start",
    needs=("optimizer",),
    symptom="slow",
    mend="Keep the weights in float32 and run the passes under autocast.",
    code="model.float(); torch.autocast(device, dtype=torch.bfloat16)",
    source="Micikevicius et al. 2018, section 3.1",
)
def weights_in_half(case: Case, limits: Limits) -> Iterator[Seen]:
    kinds = [str(each.dtype).partition(".")[2] for each in case.model.parameters() if each.requires_grad]
    half = [each for each in kinds if each in ("float16", "bfloat16")]
    if half and len(half) > len(kinds) / 2:
        yield Seen(
            f"{len(half)} of {len(kinds)} trainable parameters are {half[0]}.",
            severity="note",
            sure=0.9,
            evidence=(Evidence("share of the parameters", Number.of(len(half) / len(kinds))),),
        )
