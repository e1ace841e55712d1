"""Parameters and multiply-adds of architectures by arithmetic alone, without building a layer."""

from __future__ import annotations

import cmath
import math


def conv(a: int, b: int, k: int, *, bias: bool = True, groups: int = 1) -> int:
    return a // groups * b * k * k + (b if bias else 0)


def fc(a: int, b: int) -> int:
    return a * b + b


ALEX = [
    conv(3, 96, 11),
    conv(96, 256, 5),
    conv(256, 384, 3),
    conv(384, 384, 3),
    conv(384, 256, 3),
    fc(9216, 4096),
    fc(4096, 4096),
    fc(4096, 1000),
]
SPLIT = ALEX[0] + conv(96, 256, 5, groups=2) + ALEX[2] + conv(384, 384, 3, groups=2) + conv(384, 256, 3, groups=2)


def vgg(stages: list[list[int]], classes: int = 1000) -> int:
    total, a = 0, 3
    for b, kernels in zip((64, 128, 256, 512, 512), stages, strict=True):
        for k in kernels:
            total += conv(a, b, k)
            a = b
    return total + fc(7 * 7 * 512, 4096) + fc(4096, 4096) + fc(4096, classes)


def cifar(depth: int) -> int:
    n = (depth - 2) // 6
    total, a = 9 * 3 * 16 + 32, 16
    for b in (16, 32, 64):
        for _ in range(n):
            total += 9 * a * b + 2 * b + 9 * b * b + 2 * b
            a = b
    return total + fc(64, 10)


def mobile() -> tuple[int, int]:
    pairs = [(32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 5]
    pairs += [(512, 1024), (1024, 1024)]
    sides = [112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7]
    weights = 27 * 32 + 64 + sum(9 * a + 2 * a + a * b + 2 * b for a, b in pairs) + fc(1024, 1000)
    work = 27 * 32 * 112**2 + sum((9 * a + a * b) * s * s for (a, b), s in zip(pairs, sides, strict=True)) + 1024 * 1000
    return weights, work


def dense121() -> int:
    total, c = 49 * 3 * 64 + 128, 64
    for stage, depth in enumerate((6, 12, 24, 16)):
        for _ in range(depth):
            total += 2 * c + c * 128 + 256 + 9 * 128 * 32
            c += 32
        if stage < 3:
            total += 2 * c + c * (c // 2)
            c //= 2
    return total + 2 * c + fc(c, 1000)


def bottleneck_net(depths: tuple[int, ...], kind: str, groups: int, width: int) -> float:
    """ResNet and ResNeXt with bottlenecks, in millions."""
    total, a = 49 * 3 * 64 + 128, 64
    for stage, depth in enumerate(depths):
        inner, b = width * groups * 2**stage, 256 * 2**stage
        for block in range(depth):
            total += a * inner + 9 * inner * inner // groups + inner * b + 4 * inner + 2 * b
            total += a * b + 2 * b if block == 0 else 0
            total += fc(b, b // 16) + fc(b // 16, b) if kind else 0
            total += 98 + 2 if kind == "CBAM" else 0
            a = b
    return (total + fc(a, 1000)) / 1e6


def vit() -> int:
    d = 768
    block = 2 * 2 * d + fc(d, 3 * d) + fc(d, d) + fc(d, 4 * d) + fc(4 * d, d)
    return 3 * 256 * d + d + d + 197 * d + 12 * block + 2 * d + fc(d, 1000)


def inception(a: int, w: tuple[int, ...]) -> int:
    return a * (w[0] + w[1] + w[3] + w[5]) + 9 * w[1] * w[2] + 25 * w[3] * w[4]


def angle(place: int) -> list[complex]:
    return [cmath.exp(1j * place / 10000 ** (2 * i / 512)) for i in range(256)]


MOBILE = mobile()
EXPECTED: dict[str, dict[str, list[float]]] = {
    "lenet5-params": {"parameters": [156 + 12 + 6 * 76 + 9 * 101 + 151 + 32 + 120 * 401 + 84 * 121]},
    "alexnet-table": {
        "parameters by layer": [float(n) for n in ALEX],
        "parameters with the paper's groups": [SPLIT + sum(ALEX[5:])],
        "multiply-adds": [
            55**2 * 96 * 363
            + 27**2 * 256 * 2400
            + 13**2 * (384 * 2304 + 384 * 3456 + 256 * 3456)
            + 9216 * 4096
            + 4096 * 4096
            + 4096 * 1000
        ],
    },
    "alexnet-neurons": {"neurons in all": [55**2 * 96 + 27**2 * 256 + 2 * 13**2 * 384 + 13**2 * 256 + 2 * 4096 + 1000]},
    "alexnet-drop": {
        "fc6 and fc7": [sum(ALEX[5:]) - fc(9216, 1000)],
        "conv3 and conv4": [sum(ALEX[2:5]) - conv(256, 256, 3)],
    },
    "lrn": {"channels 1, 2, 3 of 1..7": [a / (2 + 1e-4 * s) ** 0.75 for a, s in ((1, 14), (2, 30), (3, 55))]},
    "vgg-table": {
        "A, B, C, D, E": [
            vgg([[3], [3], [3, 3], [3, 3], [3, 3]]),
            vgg([[3, 3]] * 5),
            vgg([[3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]]),
            vgg([[3, 3], [3, 3], [3] * 3, [3] * 3, [3] * 3]),
            vgg([[3, 3], [3, 3], [3] * 4, [3] * 4, [3] * 4]),
        ]
    },
    "inception-naive": {"multiply-adds": [28**2 * 256 * (128 + 9 * 192 + 25 * 96)]},
    "inception-module": {"multiply-adds": [28**2 * inception(256, (128, 64, 192, 64, 96, 64))]},
    "block-costs": {"32 paths written one by one": [32 * (256 * 4 + 9 * 16 + 4 * 256)]},
    "cifar-resnet-params": {"parameters of 20, 32, 44, 56, 110": [float(cifar(d)) for d in (20, 32, 44, 56, 110)]},
    "mobilenet-table": {"parameters": [float(MOBILE[0])], "multiply-adds": [float(MOBILE[1])]},
    "dense-links": {"parameters of DenseNet-121": [float(dense121())]},
    "vit-tokens": {"parameters of B/16": [float(vit())]},
    "pos-encoding": {
        "product at distance 5": [sum((a * b.conjugate()).real for a, b in zip(angle(7), angle(12), strict=True))]
    },
    "cgan-params": {"parameters": [fc(100, 200) + fc(10, 1000) + fc(1200, 1200) + fc(1200, 784)]},
    "restoration-nets": {
        "parameters of the blur net": [conv(3, 96, 7) + conv(96, 256, 5) + fc(4096, 1024) + fc(1024, 73)]
    },
    "age-loss": {"loss for true 30, found 25, deviation 3": [0.5 * 12.5 + 0.5 * (1 - math.exp(-25 / 18))]},
    "gan-gradient": {"|gradient| of -log D": [1 - 1 / (1 + math.exp(-z)) for z in (-6, -4, -2, 0)]},
    "fool-linear-10": {"probabilities": [1 / (1 + math.exp(3)), 1 / (1 + math.exp(-2))]},
}
CBAM = {
    kind: [
        bottleneck_net((3, 4, 6, 3), kind, 1, 64),
        bottleneck_net((3, 4, 23, 3), kind, 1, 64),
        bottleneck_net((3, 4, 6, 3), kind, 32, 4),
        bottleneck_net((3, 4, 23, 3), kind, 32, 4),
    ]
    for kind in ("", "SE", "CBAM")
}
