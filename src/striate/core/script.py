"""``FILE.py:function``: what a function of the caller's own gives, called without arguments."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from .errors import StriateError, UnknownNameError


def call_script(given: str) -> object:
    """Run ``FILE.py`` and give what its function gives; the code runs with all rights of the user.

    The file may import its neighbours, and define dataclasses.

    Raises:
        StriateError: There is no such file, or its code raises; the message names the error.
        UnknownNameError: It has no such function; the message names the nearest.
    """
    file, _, function = given.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise StriateError(f"no file {file}", accepted="FILE.py:function")
    spec = importlib.util.spec_from_file_location(f"striate_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StriateError(f"{file} is no Python file", accepted="FILE.py:function")
    module = importlib.util.module_from_spec(spec)
    beside = str(path.resolve().parent)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up
    sys.path.insert(0, beside)
    try:
        spec.loader.exec_module(module)
        return _callable(module, function, path)()
    except StriateError:
        raise
    except Exception as error:
        raise StriateError(f"{given} raised {type(error).__name__}: {error}", hint=f"python {path}") from error
    finally:
        sys.path.remove(beside)


def _callable(module: ModuleType, name: str, path: Path) -> Callable[[], object]:
    found: object = getattr(module, name, None)
    if not callable(found):
        there = {each: value for each, value in vars(module).items() if callable(value) and not each.startswith("_")}
        own = [each for each, value in there.items() if getattr(value, "__module__", "") == module.__name__]
        known = own or list(there)
        raise UnknownNameError(f"function of {path.name}", name, known)
    return found
