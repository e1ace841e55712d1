"""Write docs/reference.md from signatures and docstrings, docs/doctor.md from the checks: `make docs`."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import striate
from striate.verbs import VERBS
from striate.verbs.signature import Parameter, read_signature

PLACE = Path(__file__).parent / "reference.md"
HEAD = """# Reference

Made by `make docs` from the signatures; do not edit by hand.

Every verb is a command and a function of the same name: `striate evaluate runs/first shapes --limit 100` is
`striate.evaluate("runs/first", "shapes", limit=100)`. Each gives a `Report`: `result` (the verb's own payload),
`findings`, `origin`, `cost`, `files`. On the command line `--json FILE` writes it (`-` for standard output),
`--fail-on SEVERITY` makes findings an exit code of 1, `--traceback` shows where an error came from. Exit codes: 0 done,
1 findings at or above `--fail-on`, 2 a mistake of the caller, 70 one of ours, 130 interrupted.
"""


def reference() -> str:
    """The whole page."""
    names = [name for name in striate.__all__ if name.replace("_", "-") not in VERBS and not name.startswith("__")]
    parts = [HEAD, *map(_verb, VERBS), "# Public names\n", *(_name(name, getattr(striate, name)) for name in names)]
    return "\n".join(parts).rstrip() + "\n"


def _verb(verb: str) -> str:
    positional, options = read_signature(verb)
    doc = inspect.getdoc(VERBS.load(verb)) or ""
    lines = [f"## striate {verb}", "", _markdown(doc), ""]
    if positional:
        lines += ["| argument | what |", "|---|---|"]
        lines += [
            f"| `{name.upper()}{'...' if each.option.many else ''}` | {_cell(each)} |"
            for name, each in positional.items()
        ]
        lines.append("")
    lines += ["| option | what | default |", "|---|---|---|"]
    lines += [f"| `--{name.replace('_', '-')}` | {_cell(each)} | {_default(each)} |" for name, each in options.items()]
    return "\n".join([*lines, ""])


def _name(name: str, thing: Any) -> str:
    try:
        signature = str(inspect.signature(thing)) if callable(thing) else ""
    except ValueError:
        signature = ""
    signature = re.sub(r"<object object at [^>]+>|<factory>", "...", signature).replace("'", "")
    return f"## `{name}{signature}`\n\n{_markdown(inspect.getdoc(thing) or '')}\n"


def _markdown(doc: str) -> str:
    text, mark, example = doc.partition("\n>>>")
    text = text.replace("``", "`").rstrip()
    text = re.sub(r"\n(Args|Attributes|Raises|Source|Cost):\n", r"\n\1:\n\n", text)
    text = re.sub(r"\n {4}(\w+): ", r"\n- `\1`: ", text)
    return f"{text}\n\n```python\n>>>{example.rstrip()}\n```" if mark else text


def _cell(parameter: Parameter) -> str:
    words = parameter.option.help.replace("|", "\\|")
    return f"{words}; one of {', '.join(parameter.choices)}" if parameter.choices else words


def _default(parameter: Parameter) -> str:
    default = f"`{parameter.place}`" if parameter.place else parameter.default
    if default is None or default is False or default is inspect.Parameter.empty:
        return ""
    if parameter.name == "memory":
        return f"{default // (1 << 20)}MiB"
    return (
        ",".join(map(str, default))
        if isinstance(default, tuple)
        else f"{default:.4g}"
        if isinstance(default, float)
        else str(default)
    )


if __name__ == "__main__":
    import doctor

    PLACE.write_text(reference(), encoding="utf-8")
    doctor.PLACE.write_text(doctor.doctor_page(), encoding="utf-8")
    print(f"wrote {PLACE.name}, {doctor.PLACE.name}")  # noqa: T201
    sys.exit(0)
