"""Expressions as graphs of gates: values forwards, local gradients at each gate, gradients backwards."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from striate.core.errors import StriateError

from .payload import Gate

Local = tuple[float, ...]
Rule = Callable[..., tuple[float, Local]]  # value, and its slope by each input


def _sigmoid(x: float) -> tuple[float, Local]:
    value = 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
    return value, (value * (1 - value),)


def _power(base: float, exponent: float) -> tuple[float, Local]:
    value = base**exponent
    by_exponent = value * math.log(base) if base > 0 else 0.0
    return value, (exponent * base ** (exponent - 1) if exponent else 0.0, by_exponent)


# a tie of max or min goes to the first, as in torch's one-sided choice for reductions
RULES: Mapping[str, Rule] = {
    "+": lambda a, b: (a + b, (1.0, 1.0)),
    "-": lambda a, b: (a - b, (1.0, -1.0)),
    "*": lambda a, b: (a * b, (b, a)),
    "/": lambda a, b: (a / b, (1 / b, -a / (b * b))),
    "**": _power,
    "negative": lambda a: (-a, (-1.0,)),
    "max": lambda a, b: (max(a, b), (float(a >= b), float(a < b))),
    "min": lambda a, b: (min(a, b), (float(a <= b), float(a > b))),
    "exp": lambda a: (math.exp(a), (math.exp(a),)),
    "log": lambda a: (math.log(a), (1 / a,)),
    "sqrt": lambda a: (math.sqrt(a), (0.5 / math.sqrt(a),)),
    "square": lambda a: (a * a, (2 * a,)),
    "sin": lambda a: (math.sin(a), (math.cos(a),)),
    "cos": lambda a: (math.cos(a), (-math.sin(a),)),
    "tanh": lambda a: (math.tanh(a), (1 - math.tanh(a) ** 2,)),
    "sigmoid": _sigmoid,
    "relu": lambda a: (max(a, 0.0), (float(a > 0),)),
    "abs": lambda a: (abs(a), (math.copysign(1.0, a) if a else 0.0,)),
}
_BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}  # fmt: skip
ACCEPTED = "names, numbers, + - * / **, " + ", ".join(name for name in RULES if name.isalpha() and name != "negative")
LONGEST, MOST = 2000, 400  # characters, gates


@dataclass
class _Tape:
    at: Mapping[str, float]
    gates: list[Gate] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def add(self, op: str, inputs: tuple[int, ...], value: float, local: Local, name: str = "") -> int:
        if len(self.gates) >= MOST:
            raise StriateError(f"an expression of more than {MOST} gates", accepted="a shorter one")
        self.gates.append(Gate(op, name, inputs, value, local, 0.0))
        return len(self.gates) - 1


def evaluate(text: str, at: Mapping[str, float]) -> tuple[Gate, ...]:
    """The gates of an expression in the order of the forward pass, the output last, each with the output's gradient.

    A name that stands twice is one leaf, to which both gradients add up. Source: Linnainmaa 1976, reverse accumulation.

    Raises:
        StriateError: The expression cannot be read, a name has no value, a value is given that has no name in it, or a
            gate is asked for what it is not defined at.

    >>> [gate.grad for gate in evaluate("(x + y) * z", {"x": -2, "y": 5, "z": -4})]
    [-4.0, -4.0, -4.0, 3.0, 1.0]
    """
    if len(text) > LONGEST:
        raise StriateError(f"an expression of {len(text)} characters", accepted=f"at most {LONGEST}")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise StriateError(f"cannot read the expression {text!r}", accepted=ACCEPTED) from error
    tape = _Tape({name: float(value) for name, value in at.items()})
    _visit(tree, tape)
    idle = [name for name in at if name not in tape.names]
    if idle:
        raise StriateError(f"a value for {', '.join(idle)}, which {text!r} does not hold", accepted="its own names")
    return _backward(tape.gates)


def _visit(node: ast.expr, tape: _Tape) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return tape.add("number", (), float(node.value), ())
    if isinstance(node, ast.Name):
        if node.id not in tape.names:
            if node.id not in tape.at:
                raise StriateError(f"{node.id} has no value", accepted="one for each name", hint=f"--at {node.id}=2")
            tape.names[node.id] = tape.add("leaf", (), tape.at[node.id], (), node.id)
        return tape.names[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _gate(tape, _BINARY[type(node.op)], _visit(node.left, tape), _visit(node.right, tape))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _visit(node.operand, tape)
        return inner if isinstance(node.op, ast.UAdd) else _gate(tape, "negative", inner)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        name = node.func.id
        wanted = 2 if name in {"max", "min"} else 1
        if name in RULES and len(node.args) == wanted:
            return _gate(tape, name, *(_visit(each, tape) for each in node.args))
        if name in RULES:
            raise StriateError(f"{name} of {len(node.args)}", accepted=f"{wanted} of them")
    raise StriateError(f"the expression holds {ast.unparse(node)!r}", accepted=ACCEPTED)


def _gate(tape: _Tape, op: str, *inputs: int) -> int:
    values = [tape.gates[each].value for each in inputs]
    try:
        value, local = RULES[op](*values)
    except (ValueError, ZeroDivisionError, OverflowError):
        value, local = math.nan, ()
    if isinstance(value, complex) or not all(math.isfinite(each) for each in (value, *local)):
        raise StriateError(f"{op} at {', '.join(f'{each:g}' for each in values)} has no value or no slope")
    return tape.add(op, inputs, float(value), local)


def _backward(gates: list[Gate]) -> tuple[Gate, ...]:
    grads = [0.0] * len(gates)
    grads[-1] = 1.0
    for index in range(len(gates) - 1, -1, -1):
        for place, slope in zip(gates[index].inputs, gates[index].local, strict=True):
            grads[place] += grads[index] * slope
    return tuple(
        Gate(gate.op, gate.name, gate.inputs, gate.value, gate.local, grad)
        for gate, grad in zip(gates, grads, strict=True)
    )
