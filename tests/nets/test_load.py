from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import Geometry
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net
from striate.nets.weights import numbers


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("striate/smal", "small"),
        ("torchvision/resnet81", "resnet18"),
        ("timm/resnet81", "resnet18"),
        ("torchvison/resnet18", "nearest are torchvision"),
        ("resnet18", "torchvision/resnet18"),
        ("small", "striate/small"),
        ("no_such_net", "SOURCE/ARCH@FILE"),
        ("striate/lenet5", r"no weights of its own.*striate/lenet5\.random"),
        ("striate/resnet20.cifar11", r"unknown weights.*'cifar11'"),
        ("torchvision/resnet18.IMAGENET1K_V7", "nearest are IMAGENET1K_V1"),
        ("timm/resnet18.a1_in2k", "nearest are .*a1_in1k"),
        ("no_such_file.safetensors", "no file no_such_file.safetensors"),
        ("no_such_file.py:net", "no file no_such_file.py"),
        ("striate/lenet5@no_such_file.pt", "no weights file no_such_file.pt"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest_known(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(StriateError, match=words):
        load_net(name, weights_root=tmp_path)


def test_nets_and_modules_are_taken_as_they_are() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 7))
    net = load_net(module, classes=["a"] * 7)
    assert net.module is module
    assert net.classes == ("a",) * 7
    assert load_net(net) is net


def test_random_weights_depend_on_the_seed_alone_and_leave_the_generator() -> None:
    before = torch.get_rng_state()
    first, again, other = (load_net("striate/small.random", seed=seed).fingerprint() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())


def test_an_architecture_without_weights_draws_from_torchs_generator() -> None:
    torch.manual_seed(1)
    one = load_net("striate/mlp", weights=False).fingerprint()
    two = load_net("striate/mlp", weights=False).fingerprint()
    torch.manual_seed(1)
    assert load_net("striate/mlp", weights=False).fingerprint() == one != two


def test_a_run_folder_gives_back_the_net_that_was_saved(tmp_path: Path) -> None:
    net = load_net("striate/small", weights=False, classes=("cat", "dog"), channels=1, size=20)
    net = net.adapted(mean=(0.3,), std=(0.2,), geometry=Geometry((20, 20), crop="none"))
    save_weights(net, tmp_path / "weights.safetensors", metadata={"data": "pets", "licence": "CC0"})
    found = load_net(tmp_path)
    images = torch.rand(4, 1, 20, 20)
    assert torch.equal(found(images), net.eval()(images))
    assert found.fingerprint() == net.fingerprint()
    assert (found.classes, found.channels, found.name) == (("cat", "dog"), 1, "striate/small")
    assert found.geometry == Geometry((20, 20), crop="none")
    assert found.origin.licence == "CC0"
    assert "pets" in found.origin.source
    assert len(found.origin.checksum) == 64
    assert not found.training


def test_a_weights_file_says_its_net_and_may_be_named_alone(tmp_path: Path) -> None:
    net = load_net("striate/lenet5.random", size=28)
    path = save_weights(net, tmp_path / "mine.safetensors")
    assert load_net(path).fingerprint() == net.fingerprint()
    assert load_net(f"striate/lenet5@{path}").fingerprint() == net.fingerprint()
    assert load_net("striate/lenet5.mine", weights_root=tmp_path).fingerprint() == net.fingerprint()
    with safe_open(path, framework="pt") as file:
        said = file.metadata()
    assert (said["striate"], said["net"], json.loads(said["size"])) == ("1", "striate/lenet5", [28, 28])


def test_named_weights_are_found_under_their_usual_names(tmp_path: Path) -> None:
    net = load_net("striate/lenet5.random")
    for name in ("mnist_lenet5", "lenet5_digits"):
        save_weights(net, tmp_path / f"{name}.safetensors")
    for name in ("mnist", "mnist_lenet5", "digits"):
        assert load_net(f"striate/lenet5.{name}", weights_root=tmp_path).fingerprint() == net.fingerprint()


def test_an_empty_folder_and_a_nameless_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match=r"holds no weights\.safetensors"):
        load_net(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(StriateError, match=r"does not say which network.*SOURCE/ARCH@"):
        load_net(tmp_path / "plain.safetensors")


def test_weights_that_do_not_fit_are_told_by_key_and_shape(tmp_path: Path) -> None:
    net = load_net("striate/lenet5.random")
    state = dict(net.module.state_dict())
    state["conv1.weight"] = torch.zeros(6, 3, 5, 5)
    del state["linear1.bias"]
    state |= {f"extra{index}": torch.zeros(1) for index in range(9)}
    save_file(state, tmp_path / "bad.safetensors", {"mean": "0.5", "std": "0.25", "classes": "10", "channels": "1"})
    with pytest.raises(StriateError) as caught:
        load_net(f"striate/lenet5@{tmp_path / 'bad.safetensors'}")
    words = str(caught.value)
    assert "of 10 keys, 1 missing: linear1.bias; 9 unexpected: extra0, extra1, extra2, extra3, extra4, ..." in words
    assert "1 of another shape: conv1.weight is (6, 3, 5, 5), not (6, 1, 5, 5)" in words


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_torch_state_dicts_load_wrapped_and_prefixed(wrap: object, prefix: str, tmp_path: Path) -> None:
    net = load_net("torchvision/squeezenet1_1.random")
    state = {f"{prefix}{key}": value for key, value in net.module.state_dict().items()}
    torch.save(wrap(state), tmp_path / "w.pth")  # type: ignore[operator]
    assert load_net(f"torchvision/squeezenet1_1@{tmp_path / 'w.pth'}").fingerprint() == net.fingerprint()


def test_weights_without_normalisation_are_refused_where_none_is_documented(tmp_path: Path) -> None:
    torch.save(load_net("striate/lenet5.random").module.state_dict(), tmp_path / "w.pth")
    with pytest.raises(StriateError, match="does not say how its network's pixels were normalised"):
        load_net(f"striate/lenet5@{tmp_path / 'w.pth'}")
    torch.save(load_net("striate/resnet20.random").module.state_dict(), tmp_path / "r.pth")
    found = load_net(f"striate/resnet20@{tmp_path / 'r.pth'}")
    assert found.mean is not None
    torch.testing.assert_close(found.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))


def test_onnx_torchscript_pickles_and_damaged_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 20)
    (tmp_path / "text.pth").write_text("hello")
    module = nn.Linear(2, 2)
    torch.save(module, tmp_path / "pickled.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, torch.zeros(1, 2)).save(str(tmp_path / "scripted.pt"))
    expected = {
        "a.onnx": "ONNX",
        "cut.pth": "damaged",
        "cut.safetensors": "cannot be read",
        "text.pth": "no plain state dict",
        "pickled.pt": "pickled objects are refused",
        "empty.pt": "no tensors",
        "scripted.pt": "TorchScript",
    }
    for file, words in expected.items():
        with pytest.raises(StriateError, match=words) as caught:
            load_net(f"torchvision/resnet18@{tmp_path / file}")
        assert file in str(caught.value)


def test_classes_and_channels_that_the_weights_lack_are_refused(tmp_path: Path) -> None:
    path = save_weights(load_net("striate/lenet5.random"), tmp_path / "w.safetensors")
    with pytest.raises(StriateError, match="3 classes for the weights"):
        load_net(path, classes=3)
    with pytest.raises(StriateError, match="3 channels for striate/lenet5"):
        load_net(path, channels=3)
    assert load_net(path, classes=list("abcdefghij")).classes[0] == "a"


def test_a_python_file_gives_a_net_or_a_module(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WIDTH = 5\n")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nfrom striate.nets.net import Net\nfrom beside import WIDTH\n"
        "def module():\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, WIDTH))\n"
        "def net():\n    return Net(module(), mean=0.5, std=0.5, name='made')\n"
        "def number():\n    return 3\n"
    )
    net = load_net(f"{tmp_path / 'mine.py'}:module")
    assert (net.channels, len(net.classes), net.name) == (1, 5, "module")
    assert load_net(f"{tmp_path / 'mine.py'}:net").name == "made"
    with pytest.raises(StriateError, match="gave a int"):
        load_net(f"{tmp_path / 'mine.py'}:number")
    with pytest.raises(UnknownNameError, match="nearest are module"):
        load_net(f"{tmp_path / 'mine.py'}:modul")
    path = save_weights(net, tmp_path / "weights.safetensors")
    assert load_net(path).fingerprint() == net.fingerprint()


def test_a_net_saved_with_another_geometry_and_odd_numbers_comes_back_exactly(tmp_path: Path) -> None:
    net = load_net("striate/small.random").adapted(mean=(1 / 3, 0.1, 0.7), std=(0.123456789, 0.2, 0.3))
    found = load_net(save_weights(net, tmp_path / "w.safetensors"))
    assert found.mean is not None
    assert net.mean is not None
    assert torch.equal(found.mean, net.mean)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[0.5, 0.25]", (0.5, 0.25)),
        ("0.485,0.456,0.406", (0.485, 0.456, 0.406)),
        ("0.5 x3 (128/255)", (0.5, 0.5, 0.5)),
        ("128/255", (128 / 255,)),
        ("32", (32.0,)),
    ],
)
def test_numbers_of_other_tools_metadata_are_understood(text: str, wanted: tuple[float, ...]) -> None:
    assert numbers(text) == wanted


def test_metadata_that_make_no_sense_are_named(tmp_path: Path) -> None:
    state = dict(load_net("striate/lenet5.random").module.state_dict())
    save_file(state, tmp_path / "w.safetensors", {"mean": "grey", "std": "0.25"})
    with pytest.raises(StriateError, match=r"w.safetensors says mean is 'grey'"):
        load_net(f"striate/lenet5@{tmp_path / 'w.safetensors'}")


def test_the_net_class_is_what_every_name_gives() -> None:
    assert isinstance(load_net("striate/linear.random"), Net)
