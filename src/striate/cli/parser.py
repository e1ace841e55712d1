"""The parser of the whole command line, built from the verbs' signatures; it loads neither torch nor numpy."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any, NoReturn

from striate.core.errors import StriateError, nearest
from striate.core.version import VERSION
from striate.verbs import VERBS
from striate.verbs.signature import Parameter, read_signature

ABOUT = "Train a vision network, look inside it, break it, mend what you find, and paint with it."
FIRST = """first steps:
  striate demo                                    train, examine, look: three minutes
  striate train shapes --out runs/first           train a small net
  striate examine runs/first shapes --out report.html
  striate VERB --help                             what a verb takes and gives"""
SEVERITY = ("error", "warning", "note")


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are told the way all of Striate's are."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2, saying what was wrong and what the verb takes."""
        raise StriateError(message.removeprefix("argument "), hint=f"{self.prog} --help")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it; what no verb knows is told with the help of the verb that was named."""
        given, rest = self.parse_known_args(args, namespace)
        if rest:
            verb = getattr(given, "verb", None)
            raise StriateError(
                f"unknown argument {' '.join(rest)}", hint=f"{self.prog} {verb or ''}".rstrip() + " --help"
            )
        return given

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(each) for each in action.choices]
        near = nearest(str(value), known)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentError(action, f"{value!r} is not known{guess}; accepted: {', '.join(known)}")


def build_parser() -> Parser:
    """The parser of ``striate`` with every verb and option."""
    top = Parser(prog="striate", description=ABOUT, epilog=FIRST, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"striate {VERSION}")
    top.add_argument("--completion", choices=("bash", "zsh", "tcsh"), help="print a completion script for this shell")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for name, entry in VERBS.items():
        about = inspect.getdoc(VERBS.load(name)) or entry.summary
        verb = verbs.add_parser(
            name,
            help=entry.summary,
            description=_without_example(about),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        positional, options = read_signature(name)
        for parameter in positional.values():
            _add(verb, parameter, positional=True)
        for parameter in options.values():
            _add(verb, parameter, positional=False)
        verb.add_argument("--json", metavar="FILE", help="write the report as JSON (- for standard output)")
        verb.add_argument("--fail-on", choices=SEVERITY, help="exit code 1 when a finding is at least this serious")
        verb.add_argument("--traceback", action="store_true", help="show where an error came from")
    return top


def _add(verb: argparse.ArgumentParser, parameter: Parameter, *, positional: bool) -> None:
    option = parameter.option
    extra: dict[str, Any] = {"help": _help(parameter, positional=positional)}
    if parameter.switch:
        verb.add_argument(f"--{parameter.name.replace('_', '-')}", action="store_true", default=None, **extra)
        return
    if parameter.choices:
        extra["choices"] = parameter.choices
    else:
        extra["type"] = _typed(option.parse or parameter.kind)
        extra["metavar"] = option.metavar or parameter.name.upper()
    if positional:
        optional = parameter.variadic or parameter.default is not inspect.Parameter.empty
        verb.add_argument(
            parameter.name, nargs=("*" if optional else "+") if option.many else "?" if optional else None, **extra
        )
    else:
        needed = parameter.default is inspect.Parameter.empty
        if option.bare is not None:
            extra |= {"nargs": "?", "const": option.bare}
        verb.add_argument(f"--{parameter.name.replace('_', '-')}", required=needed, **extra)


def _help(parameter: Parameter, *, positional: bool) -> str:
    words = parameter.option.help.replace("%", "%%")
    default = parameter.place or parameter.default
    if positional or parameter.switch or default in (None, inspect.Parameter.empty) or "default" in words:
        return words
    text = ",".join(str(each) for each in default) if isinstance(default, tuple) else str(default)
    if parameter.name == "memory":
        text = f"{int(default) // (1 << 20)}MiB"
    return f"{words} (default: {text})"


def _typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except StriateError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    read.__name__ = {"int": "whole number", "float": "number", "str": "text"}.get(parse.__name__, parse.__name__)
    return read


def _without_example(doc: str) -> str:
    return doc.partition("\n>>>")[0].replace("``", "").strip()
