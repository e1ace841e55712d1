"""Reports read back from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

from striate.core.report import Report
from striate.core.report import read_report as read_as

from . import VERBS


def read_report(path: str | Path) -> Report[Any]:
    """The report that ``--json`` or `Report.save` wrote, with the payload class of its verb.

    Raises:
        StriateError: The file is missing, is not JSON, holds no report, or one of an unknown verb.
    """
    envelope = read_as(path, dict)
    payload = get_type_hints(VERBS.load(envelope.verb))["return"]
    kinds = [
        get_args(each)[0]
        for each in (
            get_args(payload) if not hasattr(payload, "__origin__") or payload.__origin__ is not Report else [payload]
        )
    ]
    if len(kinds) > 1:
        data = json.loads(Path(path).read_text(encoding="utf-8"))["result"]
        kinds.sort(key=lambda kind: -len(set(data) & set(kind.__dataclass_fields__)))
    return read_as(path, kinds[0])
