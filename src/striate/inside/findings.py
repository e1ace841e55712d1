"""What an explanation gives notice of: maps that fail their own check."""

from __future__ import annotations

from striate.core.finding import Evidence, Finding

from .payload import Explanation, MapRow


def explanation_findings(explanation: Explanation, *, net: str) -> tuple[Finding, ...]:
    """One warning for each method with maps whose check does not hold; such maps should not be read."""
    failed: dict[str, list[MapRow]] = {}
    for row in explanation.maps:
        if row.check.holds is False:
            failed.setdefault(row.method, []).append(row)
    return tuple(_finding(explanation, method, rows, net) for method, rows in failed.items())


def _finding(explanation: Explanation, method: str, rows: list[MapRow], net: str) -> Finding:
    made = sum(row.method == method for row in explanation.maps)
    worst = max(rows, key=lambda row: float("inf") if row.check.residual.value is None else row.check.residual.value)
    fail = "map fails its" if made == 1 else "maps fail their"
    return Finding(
        id=f"map-check/{method}",
        check="map-check",
        severity="warning",
        sure=1.0,
        seen=f"{len(rows)} of {made} {method} {fail} own check (bound {worst.check.bound:g}): {worst.check.what}",
        evidence=(Evidence(f"largest residual, {worst.image}", worst.check.residual, worst.picture),),
        mend=f"Do not read these maps: at these images {net} may have a kink (flat areas tie in max pooling), or it is "
        "random from pass to pass, mixes the images of a batch, or has a backward of its own.",
    )
