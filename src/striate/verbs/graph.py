"""`striate graph`: the computational graph of an expression or of a net, with values and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.nets.gradients.payload import Graph

from .gradcheck import begun
from .images import open_images
from .options import ImagesLike, NetLike, Option, OutArgument, Placed, count, number, words
from .session import Session, session, write_out

PICTURE = "graph.svg"


def values(text: str) -> dict[str, float]:
    """``"x=-2,y=5"``: a number for each name."""
    found = {}
    for part in words(text):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise StriateError(f"at is {text!r}", accepted="NAME=NUMBER,NAME=NUMBER", hint="--at x=-2,y=5")
        found[name.strip()] = number(value.strip(), f"at {name.strip()}")
    return found


def graph(
    subject: Annotated[NetLike, Option("an expression such as '(x+y)*z', or a net by name", "EXPRESSION|NET")],
    *,
    at: Annotated[Mapping[str, float] | None, Option("values of the names of an expression", "X=V,Y=V", values)] = None,
    image: Annotated[ImagesLike | None, Option("image whose signals are told, forwards and backwards", "FILE")] = None,
    depth: Annotated[
        int | None,
        Option("of a net: steps of a module's path told apart (default: what stays readable)", "N", count),
    ] = None,
    size: Annotated[int | None, Option("of a net: side of the image in pixels", "PX", count)] = None,
    out: OutArgument = None,
    **shared: Unpack[Placed],
) -> Report[Graph]:
    """Draw a computational graph: every gate with its value, its local slopes and its gradient; a net block by block.

    An expression holds names, numbers, + - * / ** and functions such as max, exp, sigmoid; ``--at`` gives the values.
    A net is folded to one box a module; with ``--image`` each box tells mean and deviation of what it gives, and of the
    gradient of the loss by it. ``--out`` keeps the drawing as ``graph.svg``.

    >>> import striate
    >>> gates = striate.graph("(x + y) * z", at={"x": -2, "y": 5, "z": -4}, quiet=True).result.gates
    >>> [(gate.name, gate.grad) for gate in gates if gate.name]
    [('x', -4.0), ('y', -4.0), ('z', 3.0)]
    """
    given = {"subject": subject, "at": at, "image": image, "depth": depth, "size": size, "out": out}
    with session("graph", given, shared, Placed) as run:
        if is_expression(subject):
            if image is not None or depth is not None or size is not None:
                raise StriateError("image, depth or size for an expression", accepted="a net", hint="--at x=2")
            from striate.nets.gradients.expression import evaluate

            found = Graph(str(subject), gates=evaluate(str(subject), dict(at or {})))
        else:
            if at:
                raise StriateError("values (--at) for a net", accepted="an expression", hint="--image FILE")
            found = net_graph(run, subject, image=image, depth=depth, size=size)
        from striate.page.graph import draw

        drawn = str(draw(found)).encode()
        return write_out(run.report(found, album={PICTURE: drawn}), out, overwrite=run["overwrite"])


def is_expression(subject: NetLike) -> bool:
    """Whether a subject is an expression: no net, no path, no name with its source."""
    from striate.nets.catalog import SOURCES

    if not isinstance(subject, str) or Path(subject).exists() or subject.endswith((".py", ".safetensors")):
        return False
    return subject.partition("/")[0] not in SOURCES and ".py:" not in subject


def net_graph(
    run: Session, subject: NetLike, *, image: ImagesLike | None, depth: int | None, size: int | None
) -> Graph:
    """The graph of a net, with signals where there is an image."""
    from striate.nets.gradients.blocks import fold_net, with_signals

    net = run.net(begun(subject), weights=image is not None)
    if image is None:
        return Graph(net.name, blocks=fold_net(net, size=size, depth=depth), depth=depth or 0)
    _, images, findings = open_images(image, net)
    run.findings += findings
    blocks = fold_net(net, size=images.shape[-1], depth=depth)
    return Graph(net.name, blocks=with_signals(net, blocks, images), depth=depth or 0)
