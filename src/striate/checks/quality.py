"""Checks of single images: tiny, huge, oddly shaped, of a single colour, too dark, too bright, blurred.

Most thresholds are relative to the data: a set of dark pictures is no fault, one dark picture among bright ones is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from striate.core.finding import Evidence, Finding, Severity

from .case import SHOWN, Case, Noticed, counted, of_images

ONE_COLOUR = 1.5 / 255  # deviation of a channel; a JPEG of one colour comes back with less than 1
DARK = 0.16  # luma that not half a percent of the pixels exceed: 41 of 255, below what a screen shows in a lit room
BRIGHT = 0.86  # luma that not half a percent of the pixels fall below: 219 of 255
APART = 0.5  # an end of the luma counts as out of line when it is less than this share of the median's way
BLURRED = 0.33  # sharpness: photographs start at .40, and at .32 end those blurred by 3 pixels of 256 (300 photos)
SOFTER = 0.65  # share of the median sharpness of the data that must not be reached either
TINY, LEAST = 0.25, 32  # share of the median short side; pixels, where it is also below half the median
HUGE, MANY = 40e6, 64  # pixels; or this many times the median area
ODD, STRETCHED = 3.0, 2.5  # long over short side; times off the median aspect


def single_colour(case: Case) -> list[Noticed]:
    """Images in which no channel varies: nothing can be learnt from them."""
    spread = case.properties["spread"]
    rows = _worst(spread, spread < ONE_COLOUR)
    if len(rows) == case.count:
        return []  # then the data as a whole are empty, which the counts say
    return _noticed(
        case,
        "single-colour",
        rows,
        f"{of_images(len(rows), 'shows', 'show')} a single colour",
        severity="warning",
        sure=1.0,
        mend="Look whether the files were written or decoded wrongly; leave them out, for they say nothing of their "
        "class.",
        reason="single colour",
        drop=True,
        facts=[f"deviation {255 * float(spread[row]):.2f} of 255" for row in rows],
    )


def too_dark(case: Case) -> list[Noticed]:
    """Images in which nothing is brighter than a dark grey, though the data as a whole are not dark."""
    bright, spread = case.properties["bright"], case.properties["spread"]
    limit = min(DARK, APART * float(bright.median()))
    rows = _worst(bright, (bright < limit) & (spread >= ONE_COLOUR))
    return _noticed(
        case,
        "too-dark",
        rows,
        f"{of_images(len(rows), 'is', 'are')} too dark: not half a percent of the pixels are brighter than "
        f"{limit:.2f}, where the median image reaches {float(bright.median()):.2f}",
        severity="warning",
        sure=0.9,
        mend="Look at them with their brightness raised: leave out those that show nothing, and see that dark images "
        "of the kind that will come are among those that are measured.",
        reason="too dark",
        drop=False,
        facts=[f"brightest luma {float(bright[row]):.2f}" for row in rows],
    )


def too_bright(case: Case) -> list[Noticed]:
    """Images in which nothing is darker than a light grey, though the data as a whole are not so bright."""
    dark, spread = case.properties["dark"], case.properties["spread"]
    limit = max(BRIGHT, 1 - APART * (1 - float(dark.median())))
    rows = _worst(-dark, (dark > limit) & (spread >= ONE_COLOUR))
    return _noticed(
        case,
        "too-bright",
        rows,
        f"{of_images(len(rows), 'is', 'are')} too bright: not half a percent of the pixels are darker than "
        f"{limit:.2f}, where the median image reaches {float(dark.median()):.2f}",
        severity="warning",
        sure=0.9,
        mend="Leave out those that show nothing, and see how they came to be: overexposed, or scaled twice.",
        reason="too bright",
        drop=False,
        facts=[f"darkest luma {float(dark[row]):.2f}" for row in rows],
    )


def blurred(case: Case) -> list[Noticed]:
    """Images whose edges another blur hardly changes, though most of the data are sharp."""
    sharpness, spread = case.properties["sharpness"], case.properties["spread"]
    limit = min(BLURRED, SOFTER * float(sharpness.median()))
    rows = _worst(sharpness, (sharpness < limit) & (spread >= ONE_COLOUR))
    return _noticed(
        case,
        "blurred",
        rows,
        f"{of_images(len(rows), 'is', 'are')} blurred: sharpness below {limit:.2f}, where the median is "
        f"{float(sharpness.median()):.2f}",
        severity="note",
        sure=0.8,
        mend="Look whether they still show their class; if such images will come in use, keep them and measure on "
        "them apart.",
        reason="blurred",
        drop=False,
        facts=[f"sharpness {float(sharpness[row]):.2f}" for row in rows],
    )


def tiny(case: Case) -> list[Noticed]:
    """Images much smaller than the others."""
    short = torch.minimum(case.properties["height"], case.properties["width"])
    middle = float(short.median())
    rows = _worst(short, (short < TINY * middle) | ((short < LEAST) & (short < middle / 2)))
    return _noticed(
        case,
        "tiny",
        rows,
        f"{of_images(len(rows), 'is', 'are')} tiny beside a median short side of {middle:.0f} pixels",
        severity="warning",
        sure=1.0,
        mend="Enlarged to the size of the others they are blurred; take the originals of these images, if there are "
        "any.",
        reason="tiny",
        drop=False,
        facts=_sizes(case, rows),
    )


def huge(case: Case) -> list[Noticed]:
    """Images so large that reading them takes most of the time."""
    area = case.properties["height"] * case.properties["width"]
    middle = float(area.median())
    rows = _worst(-area, (area > HUGE) | ((area > MANY * middle) & (area > 4e6)))
    return _noticed(
        case,
        "huge",
        rows,
        f"{of_images(len(rows), 'is', 'are')} huge beside a median of {middle / 1e6:.2g} million pixels",
        severity="note",
        sure=1.0,
        mend="Save them at the size at which the net takes them: reading them is slow, and a cut from them shows "
        "another scale.",
        reason="huge",
        drop=False,
        facts=_sizes(case, rows),
    )


def odd_aspect(case: Case) -> list[Noticed]:
    """Images much longer or wider than the others."""
    aspect = case.properties["aspect"].log2()
    off = (aspect - aspect.median()).abs()
    wide = torch.tensor([ODD, STRETCHED]).log2().tolist()
    rows = _worst(-off, (aspect.abs() > wide[0]) & (off > wide[1]))
    return _noticed(
        case, "odd-aspect", rows,
        f"{of_images(len(rows), 'has', 'have')} an odd shape: more than {ODD:.0f} times as long as short, where the "
        f"median is {2 ** float(aspect.median()):.2f} wide for 1 high",
        severity="note", sure=1.0,
        mend="Brought to the size of a net they are squeezed, or most of them is cut away; cut them by hand where "
        "that loses what their label says.",
        reason="odd aspect", drop=False, facts=_sizes(case, rows),
    )  # fmt: skip


CHECKS: tuple[Callable[[Case], list[Noticed]], ...] = (
    single_colour, too_dark, too_bright, blurred, tiny, huge, odd_aspect,
)  # fmt: skip


def _worst(order: Tensor, which: Tensor) -> list[int]:
    """The images asked for, the lowest of ``order`` first."""
    rows = which.nonzero().reshape(-1)
    return [int(row) for row in rows[order[rows].argsort(stable=True)]]


def _sizes(case: Case, rows: list[int]) -> list[str]:
    height, width = case.properties["height"], case.properties["width"]
    return [f"{width[row]:.0f}x{height[row]:.0f}" for row in rows]


def _noticed(
    case: Case, check: str, rows: list[int], seen: str,
    *, severity: Severity, sure: float, mend: str, reason: str, drop: bool, facts: list[str],
) -> list[Noticed]:  # fmt: skip
    if not rows:
        return []
    finding = Finding(
        id=f"{check}/{case.splits.train.name}",
        check=check,
        severity=severity,
        sure=sure,
        seen=f"{seen} ({case.by_split(rows)}): {case.name(rows[0])}"
        f"{f' and {len(rows) - 1:,} more' if len(rows) > 1 else ''}.",
        evidence=(Evidence("images", counted(len(rows), case.count)),),
        mend=mend,
    )
    shown = tuple((row,) for row in rows[:SHOWN])
    return [Noticed(finding, shown, tuple(facts[:SHOWN]), tuple(rows), reason, drop)]
