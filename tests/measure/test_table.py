"""Predictions, once per image."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from measure.tables import NAMES, healthy, table_of
from striate.core.errors import StriateError
from striate.core.progress import Progress
from striate.data.dataset import Dataset
from striate.data.load import load_data
from striate.measure.analysis import analyse
from striate.measure.table import CPU_VALUES, Precision, Table, _images_a_pass, in_slices, predict
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.passes import counting

OWN = ["linear", "mlp", "lenet5", "small", "resnet20"]
SCALE = {"float32": 1e-5, "float64": 1e-12}


def pictures(n: int = 23, channels: int = 3, side: int = 32, classes: tuple[str, ...] = NAMES) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, channels, side, side, generator=generator)
    return Dataset.of(images, torch.arange(n) % len(classes), classes=classes, name="noise")


def own(arch: str) -> Net:
    return load_net(f"striate/{arch}.random", classes=NAMES, channels=3, size=32)


class Given(nn.Module):
    """Gives the rows of a table by the brightness of the first pixel: row r has r / 255."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = nn.Parameter(outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs[(images[:, 0, 0, 0] * 255).round().long()]


def told(rows: Tensor, classes: tuple[str, ...] = NAMES, **options: object) -> tuple[Net, Dataset]:
    n = len(rows)
    images = (torch.arange(n) / 255).view(n, 1, 1, 1).expand(n, 1, 2, 2)
    data = Dataset.of(images, torch.arange(n) % len(classes), classes=classes, name="told")
    return Net(Given(rows), classes=options.pop("names", rows.shape[1]), channels=1, name="given", **options), data  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("arch", OWN)
def test_an_image_has_the_same_logits_alone_and_in_any_batch(arch: str, precision: Precision) -> None:
    net, data = own(arch), pictures()
    whole = predict(net, data, precision=precision).logits
    scale = float(whole.abs().max())
    for size in (1, 2, 7, 23):
        parts = predict(net, data, batch=size, precision=precision).logits
        assert float((parts - whole).abs().max()) <= SCALE[precision] * scale
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    moved = predict(net, data.take(order), batch=5, precision=precision).logits
    assert float((moved - whole[order]).abs().max()) <= SCALE[precision] * scale


@pytest.mark.parametrize("arch", OWN)
def test_logits_are_those_of_a_plain_pass(arch: str) -> None:
    net, data = own(arch), pictures()
    with torch.no_grad():
        expected = copy.deepcopy(net).double().eval()(data.images().double())
    table = predict(net, data)
    assert table.logits.dtype == torch.float32
    assert float((table.logits - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    exact = predict(net, data, precision="float64")
    assert exact.logits.dtype == torch.float64
    assert float((exact.logits - expected).abs().max()) <= 1e-12 * float(expected.abs().max())


def test_bfloat16_is_near_and_said_in_the_key() -> None:
    net, data = own("small"), pictures()
    fine, coarse = predict(net, data), predict(net, data, precision="bfloat16")
    assert coarse.logits.dtype == torch.float32
    assert 0 < float((fine.logits - coarse.logits).abs().max()) < 0.1 * float(fine.logits.abs().max())
    assert fine.key != coarse.key


def test_a_batch_norm_in_train_mode_is_measured_in_eval_mode_and_the_net_left_as_found() -> None:
    net, data = own("resnet20").train(), pictures()
    heard: list[int] = []
    net.module.register_forward_hook(lambda *_: heard.append(1))
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {name: (tensor.clone(), tensor.stride(), tensor.data_ptr()) for name, tensor in net.state_dict().items()}
    table = predict(net, data)
    assert all(module.training for module in net.modules())
    for name, tensor in net.state_dict().items():
        values, stride, place = before[name]
        assert torch.equal(tensor, values)
        assert (tensor.stride(), tensor.data_ptr()) == (stride, place)
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(bool((parameter.grad == 1).all()) for parameter in net.parameters() if parameter.grad is not None)
    assert heard
    assert torch.equal(table.logits, predict(net.eval(), data).logits)


def test_each_image_passes_once() -> None:
    net, data = own("small"), pictures()
    with counting() as passes:
        table = predict(net, data)
        evaluation = analyse(table, data)
    assert (passes.forward, passes.backward) == (len(data), 0)
    assert evaluation.n == len(data)


def test_what_is_handed_out_may_take_part_in_autograd() -> None:
    table = predict(own("linear"), pictures())
    assert not table.logits.is_inference()
    (table.logits * torch.ones(1, requires_grad=True)).sum().backward()


def test_a_table_knows_what_follows_from_its_logits() -> None:
    logits, labels = healthy(0, 200)
    table = table_of(logits, labels)
    exact = torch.softmax(logits.double(), 1)
    assert torch.allclose(table.probabilities.double(), exact, atol=1e-6)
    assert torch.equal(table.predicted, exact.argmax(1))
    assert torch.allclose(table.confidence, exact.amax(1), atol=1e-14)
    assert torch.allclose(table.losses, -exact[torch.arange(200), labels].log(), atol=1e-12)
    assert torch.equal(table.correct, table.predicted == labels)
    assert len(table) == 200


def test_slices_cover_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.measure.table.SLICE", 25)
    rows = [row for part in in_slices(torch.zeros(7, 10)) for row in range(7)[part]]
    assert rows == list(range(7))
    assert len(list(in_slices(torch.zeros(0, 10)))) == 1


def test_the_key_follows_net_data_geometry_and_nothing_else() -> None:
    net, data = own("linear"), pictures()
    keys = {
        predict(net, data).key,
        predict(load_net("striate/linear.random", classes=NAMES, channels=3, size=32, seed=1), data).key,
        predict(net, data.limit(5)).key,
        predict(net, data.take(torch.arange(23).flip(0))).key,
    }
    assert len(keys) == 4
    assert predict(net, data, batch=3, memory=1 << 20).key == predict(own("linear"), pictures()).key


def test_the_batch_follows_the_memory_and_stays_near_the_caches() -> None:
    net, data = load_net("striate/small.random", classes=NAMES, channels=3), pictures(side=96)
    cpu = torch.device("cpu")
    most = _images_a_pass(net, data, 1 << 30, cpu)
    assert 1 <= most <= CPU_VALUES // (3 * 96 * 96)
    assert 1 <= _images_a_pass(net, data, 1 << 21, cpu) < most
    assert _images_a_pass(net, data, 1, cpu) == 1


def test_nan_is_an_error_that_names_the_image() -> None:
    outputs = torch.zeros(20, 10)
    outputs[13, 4] = float("nan")
    with pytest.raises(StriateError, match=r"given gives NaN for image told.* 13 \(row 13\)"):
        predict(*told(outputs), batch=4)
    outputs[13, 4] = float("inf")
    with pytest.raises(StriateError, match="an infinite number for image"):
        predict(*told(outputs))


def test_another_number_of_classes_is_an_error_that_names_both() -> None:
    net, data = told(torch.zeros(20, 4), names=("north", "east", "south", "west"))
    with pytest.raises(StriateError, match=r"gives 4 classes \(north, east, south, ...\) and told has 10 \(ant, bee"):
        predict(net, data)


def test_the_same_classes_in_another_order_are_an_error_that_names_the_first() -> None:
    outputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    net, data = told(outputs, ("cat", "dog", "T-shirt/top"), names=("cat", "T Shirt Top", "Dog"))
    with pytest.raises(StriateError, match=r"class 1 is 'T Shirt Top' for the net and 'dog' in the data"):
        predict(net, data)
    predict(*told(outputs, ("cat", "dog", "T-shirt/top"), names=("Cat", "DOG", "t shirt_top")))
    assert predict(*told(outputs, ("cat", "dog", "cow"), names=("a", "b", "c"))).net_names == ("a", "b", "c")
    assert predict(*told(outputs, ("cat", "dog", "cow"))).net_names == ()


def test_probabilities_are_taken_by_their_logarithm() -> None:
    logits = torch.randn(20, 10, generator=torch.Generator().manual_seed(0))
    net, data = told(torch.softmax(logits, 1), outputs="probabilities")
    table = predict(net, data)
    assert torch.allclose(table.probabilities, torch.softmax(logits, 1), atol=1e-6)


def test_probabilities_that_are_called_logits_are_refused() -> None:
    net, data = told(torch.softmax(torch.randn(20, 10, generator=torch.Generator().manual_seed(0)), 1))
    with pytest.raises(StriateError, match=r'sums to 1.*outputs="probabilities"'):
        predict(net, data)


def test_a_net_without_class_scores_is_refused() -> None:
    net, data = told(torch.randn(20, 10), outputs="other")
    with pytest.raises(StriateError, match="one row of scores an image"):
        predict(net, data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pictures(channels=1), "takes 3 channels and noise has 1"),
        (pictures(side=28), "takes 32 x 32 and noise has 28 x 28"),
        (pictures().take([]), "has no images"),
    ],
)
def test_data_that_do_not_fit_the_net_are_an_error_before_any_pass(data: Dataset, words: str) -> None:
    with pytest.raises(StriateError, match=words), counting() as passes:
        predict(own("mlp"), data)
    assert passes.forward == 0


def test_a_batch_below_one_is_refused() -> None:
    with pytest.raises(StriateError, match="batch is 0"):
        predict(own("linear"), pictures(), batch=0)


def test_a_table_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(StriateError, match=r"logits of shape \(3, 2\) for 4 labels"):
        Table(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64), torch.arange(4), torch.arange(4), ("a", "b"), "")


def test_progress_counts_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.core.progress.LOG_EVERY", 0.0)
    stream = io.StringIO()
    predict(own("linear"), pictures(), batch=10, progress=Progress(stream=stream))
    lines = stream.getvalue().splitlines()
    assert [line.split(" images")[0] for line in lines] == [f"predict: {done} of 23" for done in (10, 20, 23)]


def test_images_in_files_give_the_table_of_images_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.core.image import encode_png

    data = pictures(n=12, classes=("a", "b"))
    for row in range(12):
        folder = tmp_path / "test" / data.classes[int(data.labels[row])]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row:02}.png").write_bytes(encode_png(data.images([row])[0]))
    monkeypatch.setattr("striate.data.dataset.FITS", 100)
    files = load_data(tmp_path, split="test")
    assert not files.in_memory
    net = load_net("striate/small.random", classes=("a", "b"), channels=3)
    order = [int(Path(files.name_of(row)).stem) for row in range(len(files))]
    expected = predict(net, data.take(order)).logits
    assert torch.allclose(predict(net, files, batch=5).logits, expected, atol=1e-5)


def test_the_cifar_resnet_is_right_on_854_of_932(data_root: Path, weights_root: Path) -> None:
    net = load_net("striate/resnet20.cifar10", weights_root=weights_root)
    data = load_data("CIFAR10", root=data_root, partial=True)
    evaluation = analyse(predict(net, data), data)
    assert sum(evaluation.confusion[row][row] for row in range(10)) == 854
    assert evaluation.n == 932
