"""The space that is searched: read from a text, tied to fields of the recipe and options of the net, and applied."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.own import OWN
from striate.nets.own.options import builder_options
from striate.nets.request import parse_arch
from striate.training.recipe import Recipe

from .payload import Part, Value

ACCEPTED = "NAME=LOW:HIGH, NAME=log:LOW:HIGH, NAME=int:LOW:HIGH[:STEP], NAME=A|B|C, with commas between"
NOT_SEARCHED = frozenset({"name", "states", "epochs", "samples", "most"})  # they say how long, not how
OWNERS = ("recipe", "optimizer", "schedule", "augment", "net")
MOST_BUILT = 24  # nets that are built to see whether options are possible


def parse_space(text: str) -> tuple[Part, ...]:
    """The parts of ``rate=log:0.001:1,momentum=0.5:0.99,width=int:8:64,activation=relu|gelu``.

    >>> parse_space("rate=log:0.001:1,width=int:8:64:8")[1].step
    8

    Raises:
        StriateError: There is no part, one cannot be read or is impossible, or a name comes twice.
    """
    parts = [_part(each.strip()) for each in text.split(",") if each.strip()]
    if not parts:
        raise StriateError(f"the space {text!r} is empty", accepted=ACCEPTED)
    names = [part.name for part in parts]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise StriateError(f"{twice[0]} stands twice in the space", accepted="each name once")
    return tuple(parts)


def _part(text: str) -> Part:
    name, equals, given = (each.strip() for each in text.partition("="))
    if not (name and equals and given):
        raise StriateError(f"part {text!r} of the space", accepted=ACCEPTED)
    *kinds, numbers = _split_kinds(given)
    if ":" not in numbers and not kinds:
        choices = tuple(each.strip() for each in given.split("|"))
        if not all(choices) or len(set(choices)) < len(choices):
            raise StriateError(f"choices of {name} are {given!r}", accepted="words that differ, such as relu|gelu")
        return Part(name, "choice", choices=choices)
    try:
        ends = [float(each) for each in numbers.split(":")]
    except ValueError as error:
        raise StriateError(f"part {text!r} of the space", accepted=ACCEPTED) from error
    whole, log = "int" in kinds, "log" in kinds
    if len(ends) not in ((2, 3) if whole else (2,)) or not all(math.isfinite(end) for end in ends):
        raise StriateError(f"part {text!r} of the space", accepted=ACCEPTED)
    low, high = ends[:2]
    if low >= high:
        raise StriateError(f"{name} goes from {low:g} to {high:g}", accepted="a lower end below the upper one")
    if log and low <= 0:
        raise StriateError(f"{name} begins at {low:g} on a logarithmic scale", accepted="a lower end above 0")
    if whole and any(end != int(end) for end in ends):
        raise StriateError(f"{name} is {given!r}", accepted="whole numbers after int:")
    step = int(ends[2]) if len(ends) == 3 else 1
    if step < 1 or (log and step != 1):
        raise StriateError(f"the step of {name} is {step}", accepted="at least 1; 1 on a logarithmic scale")
    return Part(name, "int" if whole else "float", low=low, high=high, log=log, step=step)


def _split_kinds(given: str) -> list[str]:
    kinds = []
    while given.partition(":")[0] in ("log", "int") and given.partition(":")[0] not in kinds:
        kind, _, given = given.partition(":")
        kinds.append(kind)
    return [*kinds, given]


def default_space(recipe: Recipe) -> str:
    """What is searched where nothing is said, by the recipe's optimizer: rate, momentum and weight decay.

    Source of the ranges: Bengio 2012, "Practical recommendations", section 3.1, for the rate on a logarithmic scale;
    Smith 2018, "A disciplined approach", section 4, for momentum and weight decay.
    """
    own = {each.name for each in dataclasses.fields(recipe.optimizer)}
    known = {
        "sgd": "rate=log:0.005:1,momentum=0.5:0.99,weight_decay=log:1e-6:1e-2",
        "adamw": "rate=log:1e-4:3e-2,momentum=0.8:0.99,weight_decay=log:1e-3:1",
    }
    rate = recipe.optimizer.rate
    other = [f"rate=log:{rate / 30:.3g}:{rate * 10:.3g}"]
    other += ["momentum=0.5:0.99"] if "momentum" in own else []
    other += ["weight_decay=log:1e-6:1e-1"] if "weight_decay" in own else []
    return known.get(recipe.optimizer.name, ",".join(other))


def resolve(parts: Sequence[Part], recipe: Recipe, net: str) -> tuple[Part, ...]:
    """The parts with their owners.

    A name is looked for among the recipe's fields, those of its optimizer, schedule and augmentation, then among the
    options of the net; ``net.NAME`` means the net's.

    Raises:
        UnknownNameError: A name is none of them; the nearest are named.
        StriateError: A value is not possible there.
    """
    known = dict(_known(recipe, net))
    found = []
    for part in parts:
        owner, dot, bare = part.name.partition(".")
        key = (owner, bare) if dot and owner in OWNERS else None
        if key is None:
            key = next(((each, part.name) for each in OWNERS if (each, part.name) in known), None)
        if key is None or key not in known:
            names = [name for _, name in known]
            raise UnknownNameError(f"parameter of the recipe or of {net}", part.name, names, hint=", ".join(names))
        found.append(dataclasses.replace(part, owner=key[0]))
    check_possible(found, recipe, net)
    return tuple(found)


def check_possible(parts: Sequence[Part], recipe: Recipe, net: str) -> None:
    """Every end and every choice is possible with all else as it is; `StriateError` with the part otherwise."""
    if any(part.name == "optimizer" for part in parts) and not any(part.name == "rate" for part in parts):
        raise StriateError("the optimizer is searched without its rate", hint="add rate=log:1e-4:1 to --space")
    built = 0
    for part in parts:
        values: Sequence[Value] = (
            part.choices if part.kind == "choice" else [_end(part, part.low), _end(part, part.high)]
        )
        for value in values:
            try:
                _, name = applied({part.name: value}, [part], recipe, net)
                if part.owner == "net" and built < MOST_BUILT:
                    from striate.nets.load import load_net

                    built += 1
                    load_net(f"{name}.random", size=32)
            except StriateError as error:
                raise StriateError(
                    f"{part.name}={value} of the space is not possible: {error.given}", accepted=error.accepted
                ) from error


def _end(part: Part, end: float | None) -> Value:
    value = float(end or 0.0)
    return int(value) if part.kind == "int" else value


def applied(parameters: Mapping[str, Value], parts: Sequence[Part], recipe: Recipe, net: str) -> tuple[Recipe, str]:
    """The recipe and the net's name with these parameters."""
    groups: dict[str, dict[str, Value]] = {owner: {} for owner in OWNERS}
    for part in parts:
        if part.name in parameters:
            name = part.name.removeprefix(f"{part.owner}.")
            groups[part.owner][name] = parameters[part.name]
    optimizer: Any = recipe.optimizer
    if "optimizer" in groups["recipe"]:
        optimizer = _other_optimizer(recipe, str(groups["recipe"].pop("optimizer")), groups["optimizer"])
    optimizer = _replaced(optimizer, groups["optimizer"])
    schedule = recipe.schedule
    if groups["schedule"]:
        numbers = {name: float(value) for name, value in groups["schedule"].items()}
        schedule = dataclasses.replace(schedule, numbers={**schedule.numbers, **numbers})
    varied = dataclasses.replace(
        recipe, optimizer=optimizer, schedule=schedule, augment=_replaced(recipe.augment, groups["augment"])
    )
    changed: Recipe = _replaced(varied, groups["recipe"])
    if parameters and changed != recipe:
        words = ", ".join(f"{name} {written(value)}" for name, value in parameters.items())
        changed = dataclasses.replace(changed, name=f"{recipe.name.partition(' with ')[0]} with {words}", states="")
    return changed, named_net(net, groups["net"])


def named_net(net: str, options: Mapping[str, Value]) -> str:
    """The net's name with these options in place of those that it has.

    >>> named_net("striate/resnet20+width=8", {"width": 16})
    'striate/resnet20+width=16'
    """
    if not options:
        return net
    source, _, rest = net.partition("/")
    arch, given, tag = parse_arch(rest)
    merged = {**given, **{name: written(value) for name, value in options.items()}}
    return f"{source}/{arch}{''.join(f'+{key}={value}' for key, value in merged.items())}{'.' + tag if tag else ''}"


def written(value: Value) -> str:
    """A value as it stands in names and commands: short, but read back as it was."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value!r}" if isinstance(value, float) else str(value)


def defaults(parts: Sequence[Part], recipe: Recipe, net: str) -> dict[str, Value] | None:
    """The parameters of the recipe and the net as they are; None where one lies outside of the space."""
    known = dict(_known(recipe, net))
    found: dict[str, Value] = {}
    for part in parts:
        value = known[part.owner, part.name.removeprefix(f"{part.owner}.")]
        value = value.name if part.name == "optimizer" else value
        if part.kind == "choice":
            text = written(value) if isinstance(value, (bool, int, str)) else f"{value:g}" if value is not None else ""
            match = [each for each in part.choices if each == text or _same_number(each, value)]
            if not match:
                return None
            found[part.name] = match[0]
            continue
        if not isinstance(value, (int, float)) or not float(part.low or 0) <= value <= float(part.high or 0):
            return None
        found[part.name] = int(value) if part.kind == "int" else float(value)
    return found


def _same_number(text: str, value: Any) -> bool:
    try:
        return not isinstance(value, (bool, str)) and float(text) == float(value)
    except (ValueError, TypeError):
        return False


def _known(recipe: Recipe, net: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """What can be searched, by (owner, name), with its value as it is."""
    for each in dataclasses.fields(recipe):
        if each.name not in NOT_SEARCHED and each.name not in ("schedule", "augment"):
            yield ("recipe", each.name), getattr(recipe, each.name)
    for owner, holder in (("optimizer", recipe.optimizer), ("augment", recipe.augment)):
        for each in dataclasses.fields(holder):
            if each.name != "name" and isinstance(getattr(holder, each.name), (bool, int, float, str)):
                yield (owner, each.name), getattr(holder, each.name)
    for name, value in recipe.schedule.numbers.items():
        yield ("schedule", name), value
    source, _, rest = net.partition("/")
    if source != "striate":
        return
    arch, given, _ = parse_arch(rest)
    if arch in OWN:
        for name, parameter in builder_options(OWN.load(arch)).items():
            yield ("net", name), given.get(name, parameter.default)
    for name, text in given.items():
        yield ("net", name), text


def _replaced(holder: Any, values: Mapping[str, Value]) -> Any:
    """The dataclass with these fields, texts of choices turned into what the field holds."""
    if not values:
        return holder
    hints = get_type_hints(type(holder))
    return dataclasses.replace(holder, **{name: _as(hints[name], name, value) for name, value in values.items()})


def _as(hint: Any, name: str, value: Value) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UnknownNameError(name, str(value), [str(each) for each in get_args(hint)])
        return value
    try:
        if hint is bool:
            return {"yes": True, "no": False, "true": True, "false": False}[str(value).lower()]
        if hint is int:
            return int(value)
        return float(value) if hint is float else str(value)
    except (ValueError, KeyError) as error:
        accepted = {bool: "yes or no", int: "a whole number", float: "a number"}.get(hint, "a word")
        raise StriateError(f"{name} is {value!r}", accepted=accepted) from error


def _other_optimizer(recipe: Recipe, name: str, values: Mapping[str, Value]) -> Any:
    """The optimizer of this name, with what is searched of it and otherwise its own defaults."""
    hint = get_type_hints(Recipe)["optimizer"]
    kinds = {get_args(get_type_hints(each)["name"])[0]: each for each in (get_args(hint) or (hint,))}
    if name not in kinds:
        raise UnknownNameError("optimizer", name, kinds)
    if name == recipe.optimizer.name:
        return recipe.optimizer
    own = {each.name for each in dataclasses.fields(kinds[name])}
    for each in values:
        if each not in own:
            raise StriateError(f"{each} is searched, which {name} has not", accepted=", ".join(sorted(own - {"name"})))
    return kinds[name](rate=recipe.optimizer.rate)
