"""A report inside a notebook: the terminal's text, with what is important first, as a small piece of HTML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from striate.core.report import Report

from .text import render_text


def render_snippet(report: Report[Any]) -> str:
    """The report's text as preformatted HTML, escaped, in the notebook's own colours."""
    return str(Markup('<pre style="line-height:1.4;white-space:pre-wrap">{}</pre>').format(render_text(report)))
