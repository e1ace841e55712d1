"""Any module is a net: say its mean and its classes, then measure and explain it. Writes nothing."""

from __future__ import annotations

import torch
from torch import nn

import striate as st

module = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
data = st.load_data("shapes", split="test")
net = st.Net(module, mean=(0.5,) * 3, std=(0.25,) * 3, classes=data.classes, name="mine")

print(st.evaluate(net, data, limit=100).result.accuracy)
print(st.summary(net, size=32).result.totals)
maps = st.explain(net, torch.rand(2, 3, 32, 32), method="gradient").result.maps
print(maps[0].target_name, maps[0].check)
