"""Ten lines of Python: train, measure, break, examine. Writes into the folder `first`."""

from __future__ import annotations

import striate as st

run = st.train("shapes", net="striate/small", epochs=1, limit=1000, out="first/run")
report = st.evaluate("first/run", "shapes", limit=500)
print("accuracy", report.result.accuracy)
for finding in report.findings:
    print(finding.severity, finding.seen, finding.command)
broken = st.attack("first/run", "shapes", radius=8 / 255, limit=50)
print("robust accuracy", broken.result.robust_accuracy, "passes", broken.result.passes)
st.examine("first/run", "shapes", out="first/report.html", limit=200, attacked=20, explained=2)
