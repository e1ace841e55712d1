"""The terminal's view of attacks on many images at once, and of what carries over to other nets."""

from __future__ import annotations

from striate.attacks.payload import Transfer
from striate.attacks.payload_shared import Corrupted, Patched, Spatial, Universal

from .format import count, cut, named, norm, radius, readable, shown, value_of, wrap
from .lines import result_lines
from .section import class_name
from .table import table

Row = tuple[str, str, str]


@result_lines.register
def _universal(result: Universal, width: int, color: bool) -> list[str]:
    del color
    reach = radius(result.radius) if result.norm == "inf" else f"{result.radius:.3g}"
    head = (
        f"universal, {norm(result.norm)} radius {reach}, fitted on {count(result.fitted, 'image')}, "
        f"judged on {result.n:,} others"
    )
    rows: list[Row] = [
        ("class changed", shown(result.fooling_rate, percent=True), ""),
        (f"class changed by {result.noise}", shown(result.noise_rate, percent=True), "one of the same norm"),
        ("class changed, images it was fitted on", shown(result.fitted_rate, percent=True), ""),
        ("accuracy on clean images", shown(result.clean_accuracy, percent=True), ""),
        ("accuracy with it", shown(result.robust_accuracy, percent=True), "an upper bound"),
        ("fooled after 8-bit rounding too", shown(result.survives_8bit, percent=True), ""),
        ("fooled as JPEG files too", shown(result.survives_jpeg, percent=True), "quality 75"),
    ]
    return [*wrap(head, width), *table(("", "", ""), rows, width=width)]


@result_lines.register
def _patched(result: Patched, width: int, color: bool) -> list[str]:
    del color
    head = (
        f"patch aimed at {named(class_name(result.names, result.target))}, {result.placement}, at most "
        f"{100 * result.area:g} % of its area, fitted on {count(result.fitted, 'image')}, judged on {result.n:,} others"
    )
    rows: list[Row] = [
        ("seen as the target", shown(result.success_rate, percent=True), "at a random place, turn and size"),
        ("so under views of a print", shown(result.seen_rate, percent=True), ""),
        ("so under such views without it", shown(result.unpatched_rate, percent=True), ""),
        ("seen as the target with random colours", shown(result.control_rate, percent=True), ""),
        ("accuracy on clean images", shown(result.clean_accuracy, percent=True), ""),
        ("accuracy with the patch", shown(result.robust_accuracy, percent=True), ""),
        ("accuracy with random colours", shown(result.control_accuracy, percent=True), "what covering costs"),
        ("targets after 8-bit rounding too", shown(result.survives_8bit, percent=True), ""),
        ("targets as JPEG files too", shown(result.survives_jpeg, percent=True), "quality 75"),
    ]
    if result.colour_distance is not None and result.non_printability is not None:
        far = f"{255 * result.colour_distance:.0f} of 255"
        rows.append(("distance to printable colours", far, f"non-printability score {result.non_printability:.2g}"))
    lines = [*wrap(head, width), *table(("", "", ""), rows, width=width)]
    if result.page:
        lines.append(f"to print, {result.centimetres:g} cm wide, with marks to cut along: {readable(result.page)}")
    return lines


@result_lines.register
def _corrupted(result: Corrupted, width: int, color: bool) -> list[str]:
    del color
    head = f"15 corruptions at 5 severities, strengths of {result.constants}, {count(result.n, 'image')}"
    rows: list[Row] = [
        ("accuracy on clean images", shown(result.clean_accuracy, percent=True), ""),
        ("mean error of all 75", shown(result.mean_error, percent=True), ""),
    ]
    against = bool(result.reference)
    if against:
        rows.append(
            (
                "mean corruption error",
                shown(result.mean_corruption_error, percent=True),
                f"100 % is {named(result.reference)}",
            )
        )
    body = [
        (
            one.name.replace("_", " "),
            *(value_of(each, percent=True) for each in one.accuracy),
            value_of(one.error, percent=True),
            *((value_of(one.ratio, percent=True),) if against else ()),
        )
        for one in result.corruptions
    ]
    names = ("accuracy at severity", "1", "2", "3", "4", "5", "error", *(("of reference's",) if against else ()))
    lines = [*wrap(head, width), *table(("", "", ""), rows, width=width), ""]
    lines += table(names, body, width=width, numbers=frozenset(range(1, len(names))))
    lines += [line for note in result.notes for line in wrap(f"note: {readable(note)}", width)]
    return lines


@result_lines.register
def _spatial(result: Spatial, width: int, color: bool) -> list[str]:
    del color
    head = (
        f"spatial, turned by up to {result.degrees:g} degrees and shifted by up to {100 * result.share:.3g} % of a "
        f"side, {count(result.n, 'image')}"
    )
    points = f"{' x '.join(map(str, result.grid))} moves"
    rows: list[Row] = [
        ("accuracy on images as they are", shown(result.clean_accuracy, percent=True), ""),
        ("under the worst of the grid", shown(result.grid_accuracy, percent=True), points),
        (f"under the worst of {result.draws} at random", shown(result.drawn_accuracy, percent=True), ""),
        ("under a random move, mean", shown(result.mean_accuracy, percent=True), "the average case"),
    ]
    lines = [*wrap(head, width), *table(("", "", ""), rows, width=width)]
    moves = [one for one in result.per_image if one.picture]
    if not moves:
        return lines
    body = [
        (
            str(one.row),
            class_name(result.names, one.label),
            class_name(result.names, one.predicted),
            *(f"{each:.1f}" for each in (one.across or 0.0, one.down or 0.0, one.degrees or 0.0)),
        )
        for one in moves
    ]
    heads = ("smallest moves", "is", "becomes", "px right", "px down", "degrees")
    return [*lines, "", *table(heads, body, width=width, numbers=frozenset({0, 3, 4, 5}))]


def transfer_lines(transfer: Transfer, width: int) -> list[str]:
    """The matrix of what images found on each net do to each other."""
    names = [cut(readable(name), 24) for name in transfer.nets]
    body = [
        (name, *(value_of(number, percent=True) for number in row))
        for name, row in zip(names, transfer.rates, strict=True)
    ]
    numbers = frozenset(range(1, len(names) + 1))
    return table(("found on, fools", *names), body, width=width, numbers=numbers)
