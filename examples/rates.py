"""Before training: which start, which rate, and what optimisers do. Writes nothing."""

from __future__ import annotations

import striate as st

starts = st.init_stats("striate/mlp", "digits", init="he_normal,normal_01,zeros", limit=64, quiet=True)
for start in starts.result.starts:
    print(start.init, "loss", start.loss.value, "last layer over first", start.forward.value)
for finding in starts.findings:
    print(f"{finding.severity}: {finding.seen}")

rates = st.find_rate("digits", net="striate/mlp", steps=40, seeds=2, batch=64, quiet=True)
print(f"rate suggested: {rates.result.suggested.value:.2g}")

race = st.descend(surface="valley", optimizer="sgd,momentum,adam", steps=60, quiet=True)
for path in race.result.scenes[0].paths:
    print(f"{path.optimizer:>10}: rate {path.rate:.3g}, arrives at step {path.arrived.value}")
