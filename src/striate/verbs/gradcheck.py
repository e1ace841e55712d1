"""`striate gradcheck`: the gradients of a net against differences, in float64."""

from __future__ import annotations

from typing import Annotated, Unpack

from striate.core.finding import Evidence, Finding
from striate.core.number import Number
from striate.core.report import Report
from striate.nets.gradients.payload import GradientCheck, SlopeCheck

from .options import NetArgument, NetLike, Option, OutArgument, Placed, at_least_one, count
from .session import session, write_out

MOST_FINDINGS = 5


def gradcheck(
    net: NetArgument,
    *,
    size: Annotated[int | None, Option("side of the images in pixels (default: the net's own)", "PX", count)] = None,
    images: Annotated[int, Option("images that pass at once", "N", lambda text: count(text, "images"))] = 2,
    directions: Annotated[
        int, Option("directions a tensor is moved in", "N", lambda text: count(text, "directions"))
    ] = 4,
    training: Annotated[
        bool, Option("in training mode: statistics of the batch, the same masks in every pass")
    ] = False,
    out: OutArgument = None,
    **shared: Unpack[Placed],
) -> Report[GradientCheck]:
    """Check every gradient of a net against central differences, in float64: pixels, parameters, every operation.

    A kink of a ReLU or of a pooling is told from a wrong backward; a wrong one is named with the operation where it
    begins. The images are drawn at random; the net is a copy. An architecture without weights of its own starts from
    random ones.

    Source: Ng 2011, UFLDL tutorial, "Gradient checking and advanced optimization".
    """
    given = {"net": net, "size": size, "images": images, "directions": directions, "training": training, "out": out}
    at_least_one(images, "images")
    at_least_one(directions, "directions")
    with session("gradcheck", given, shared, Placed) as run:
        import torch

        from striate.core.rng import Rng
        from striate.nets.gradients.check import check_gradients

        known = run.net(begun(net))
        shape = (known.channels, *known.a_size(size))
        drawn = Rng(run["seed"], "gradients/images").uniform(torch.arange(images), shape)
        found = check_gradients(
            known, drawn, directions=directions, training=training, seed=run["seed"], progress=run.progress
        )
        return write_out(run.report(found, findings=findings_of(found)), out, overwrite=run["overwrite"])


def begun(net: NetLike) -> NetLike:
    """A bare ``striate/ARCH`` with random weights, everything else as it is given."""
    from striate.training.prepare import from_scratch

    return f"{net}.random" if isinstance(net, str) and net.startswith("striate/") and from_scratch(net) else net


def findings_of(found: GradientCheck) -> list[Finding]:
    """A wrong backward with the operation where it begins; gradients that no way back reaches."""
    told = []
    wrong = [each for each in found.checks if not each.right]
    checks = {each.name: each for each in found.checks}
    for name in found.culprits[:MOST_FINDINGS]:
        ends = name in checks and not checks[name].reached
        worst = checks[name] if ends else max(wrong, key=lambda one: one.worst)
        begins = f"The way back ends at {name}: its gradient is zero, and differences say that it is not"
        hands = f"The backward of {name} is wrong: the gradient that it gets is right, what it hands on is not"
        told.append(_finding(f"gradient/{name}", f"{begins if ends else hands}.", worst, len(wrong)))
    if wrong and not found.culprits:
        worst = max(wrong, key=lambda one: one.worst)
        told.append(_finding("gradient/wrong", f"The gradient by {worst.name} is wrong.", worst, len(wrong)))
    return told


def _finding(name: str, seen: str, worst: SlopeCheck, count: int) -> Finding:
    return Finding(
        id=name,
        check="gradient",
        severity="error",
        sure=0.99,
        seen=seen,
        evidence=(
            Evidence(f"slope by the backward pass, {worst.name}", Number.of(worst.backward, why="arithmetic")),
            Evidence("slope by central differences", Number.of(worst.difference, why="arithmetic")),
            Evidence("tensors with a wrong gradient", Number.of(float(count), n=count, why="counted")),
        ),
        mend="Look at its backward: an autograd.Function, a detach, an .item(), a numpy call, a no_grad block; "
        "or leave it to autograd.",
    )
