"""The callbacks in the real trainers: Lightning, Keras on torch, Hugging Face."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def pictures(n: int = 256, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images of three kinds of stripes with noise, and their kinds."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (n,), generator=draw)
    stripes = torch.stack([torch.sin(torch.arange(64).float() * step).reshape(1, 8, 8) for step in (0.4, 0.8, 1.6)])
    return stripes[y] + 1.5 * torch.randn(n, 1, 8, 8, generator=draw), y


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("forward", [True, False], ids=["forward", "no forward"])
@pytest.mark.parametrize("wrong", [False, True], ids=["healthy", "softmax twice"])
def test_lightning(forward: bool, wrong: bool, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    from striate.doctor.callbacks.lightning import Doctor

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(*plain(), *([nn.Softmax(1)] if wrong else []))
            self.loss_fn = nn.CrossEntropyLoss()

        def training_step(self, batch: Any, index: int) -> Tensor:
            x, y = batch
            return self.loss_fn(self(x) if forward else self.net(x), y)  # type: ignore[no-any-return]

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    if forward:
        Module.forward = lambda self, x: self.net(x)  # type: ignore[attr-defined]
    doctor = Doctor(quiet=True)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", callbacks=[doctor], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, gradient_clip_val=5.0,
    )  # fmt: skip
    trainer.fit(
        Module(),
        DataLoader(TensorDataset(*pictures()), 32, shuffle=True),
        DataLoader(TensorDataset(*pictures(64, 1)), 32),
    )
    assert doctor.watch is not None
    assert doctor.watch.faults == []
    assert doctor.watch.case.trace is not None
    assert len(doctor.watch.case.trace.steps) == 24
    assert doctor.watch.case.trace.probes[2].updates
    assert doctor.watch.case.trace.probes[2].gradients
    assert doctor.watch.case.end is not None
    serious = [each.check for each in doctor.findings if each.severity != "note"]
    assert serious[:1] == (["softmax-before-loss"] if wrong else [])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", [False, True], ids=["healthy", "labels shuffled"])
def test_hugging_face(wrong: bool, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from striate.doctor.callbacks.huggingface import Doctor

    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=8, patch_size=4,
        num_channels=1, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(config)
    (x, y), test = pictures(), pictures(64, 1)
    if wrong:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    rows = [{"pixel_values": a, "labels": int(b)} for a, b in zip(x, y, strict=True)]
    tested = [{"pixel_values": a, "labels": int(b)} for a, b in zip(*test, strict=True)]
    doctor = Doctor(quiet=True)
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=6, per_device_train_batch_size=32, learning_rate=5e-3, report_to=[],
        save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no", eval_strategy="epoch",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.Trainer(model, args, train_dataset=rows, eval_dataset=tested, callbacks=[doctor]).train()
    assert doctor.watch is not None
    assert doctor.watch.faults == []
    trace = doctor.watch.case.trace
    assert trace is not None
    assert len(trace.steps) == 48
    assert trace.evaluations
    assert doctor.watch.case.end is not None
    serious = [each.check for each in doctor.findings if each.severity != "note"]
    assert serious[:1] == (["labels-shuffled"] if wrong else [])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", [False, True], ids=["healthy", "labels shuffled"])
def test_keras(wrong: bool) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    from striate.doctor.callbacks.keras import Doctor

    (x, y), test = pictures(), pictures(64, 1)
    if wrong:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(3)])
    model.compile(keras.optimizers.Adam(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    doctor = Doctor(train=(x, y), test=test, quiet=True)
    model.fit(x.numpy(), y.numpy(), epochs=4, batch_size=32, verbose=0, callbacks=[doctor])
    assert doctor.watch is not None
    assert doctor.watch.faults == []
    trace = doctor.watch.case.trace
    assert trace is not None
    assert len(trace.steps) == 32
    assert trace.losses()[-1] < trace.losses()[0]
    assert trace.probes[1].updates
    assert trace.probes[1].gradients
    assert trace.steps[0].rates == (pytest.approx(0.005),)
    assert doctor.watch.case.end is not None
    serious = [each.check for each in doctor.findings if each.severity != "note"]
    assert serious[:1] == (["labels-shuffled"] if wrong else [])
