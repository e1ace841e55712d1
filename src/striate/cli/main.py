"""`striate`: parse, call the verb, print its report, leave with the right exit code."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.core.errors import StriateError
from striate.core.ranks import is_told_elsewhere, launched, say_as_rank

from .parser import SEVERITY, build_parser

DONE, FOUND, USER, OURS, INTERRUPTED = 0, 1, 2, 70, 130


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code.

    0 done, 1 findings at or above ``--fail-on``, 2 a mistake of the caller, 70 one of ours, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    trace = "--traceback" in arguments
    try:
        return _run(arguments)
    except StriateError as error:
        if trace:
            traceback.print_exc()
        return USER if is_told_elsewhere(error) else _fail(say_as_rank(str(error)), USER)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if trace:
            traceback.print_exc()
        if place := _place_of_user(error):
            return _fail(f"{place} raised {type(error).__name__}: {error} (--traceback shows all of it)", USER)
        # the last line of defence: an error of ours, told as such
        return _fail(f"internal error: {type(error).__name__}: {error} (--traceback shows where)", OURS)


def _run(arguments: Sequence[str]) -> int:
    parser = build_parser()
    given = parser.parse_args(arguments)
    if given.completion:
        import shtab

        print(shtab.complete(parser, given.completion))
        return DONE
    if given.verb is None:
        parser.print_help()
        return DONE
    if given.json not in {None, "-"}:
        from striate.core.storage import check_place

        check_place(Path(given.json))
    report, out = _call(given)
    if not launched().leads:  # of several processes the first alone prints
        return DONE
    if given.json == "-":
        print(report)
    else:
        from striate.page.text import render_text

        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(render_text(report, width=_width(), color=color))
        if out and report.files.get("report") == "report.json":  # the names above are relative to it
            print(f"folder: {out}")
        if given.json:
            report.save(Path(given.json))
            print(f"report: {given.json}")
    worst = SEVERITY.index(given.fail_on) if given.fail_on else -1
    return FOUND if any(SEVERITY.index(each.severity) <= worst for each in report.findings) else DONE


def _call(given: Namespace) -> tuple[Any, str | None]:
    """The verb's report, and where it was told to write."""
    from striate.verbs import FOLDERS, VERBS
    from striate.verbs.session import number_folder
    from striate.verbs.signature import read_signature

    positional, options = read_signature(given.verb)
    values: list[Any] = []
    for name, parameter in positional.items():
        value = getattr(given, name)
        if parameter.option.many and parameter.variadic:
            values.extend(value)
        elif value is not None:
            values.append(value)
    keywords = {name: getattr(given, name) for name in options if getattr(given, name) is not None}
    if "out" not in keywords and given.verb in FOLDERS and not keywords.get("resume"):
        keywords["out"] = number_folder(FOLDERS[given.verb], vars(given))
    return VERBS.load(given.verb)(*values, **keywords), keywords.get("out")


def _place_of_user(error: Exception) -> str:
    """Where in a FILE.py of the user an error was raised; empty where our own code was at it last."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        home = str(frame.f_globals.get("__name__", ""))
        if home.startswith(("striate_user_", "striate_data_")):
            place = f"{Path(frame.f_code.co_filename).name}, line {line}, in {frame.f_code.co_name},"
        elif home.partition(".")[0] == "striate":
            place = ""
    return place


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((100, 24)).columns, 100)


def _fail(message: str, code: int) -> int:
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{red}error{plain}: {message}", file=sys.stderr)
    return code
