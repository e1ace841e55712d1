"""Import of the libraries that networks come from, with a sentence where their versions do not fit together."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from striate.core.errors import StriateError


def import_source(name: str) -> ModuleType:
    """The library ``torchvision`` or ``timm``.

    Raises:
        StriateError: It is not installed, or torch and torchvision are builds for different devices or versions.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("torchvision", "timm"):
            raise
        raise StriateError(f"{error.name} is not installed", hint=f"pip install {error.name}") from error
    except (RuntimeError, AttributeError, OSError, ImportError) as error:
        if "torchvision" not in str(error):
            raise
        raise StriateError(
            f"torch {torch.__version__} and the installed torchvision do not fit together: one was built for another "
            "version or another device (CPU, CUDA) than the other",
            hint="install both from the same place, such as pip install --force-reinstall torch torchvision",
        ) from error
