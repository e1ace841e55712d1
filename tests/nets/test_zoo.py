from __future__ import annotations

import csv
import importlib
import io
import zipfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from striate.core.errors import StriateError
from striate.core.image import Geometry, read_image
from striate.nets.catalog import list_models
from striate.nets.load import load_net
from striate.nets.zoo import pairing


def test_a_torchvision_that_does_not_fit_torch_becomes_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", broken)
    for source in ("torchvision", "timm"):
        with pytest.raises(StriateError, match="do not fit together") as caught:
            pairing.import_source(source)
        assert "nms" not in str(caught.value)
        assert torch.__version__ in str(caught.value)


def test_a_source_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(StriateError, match="timm is not installed"):
        pairing.import_source("timm")


def test_torchvision_brings_geometry_normalisation_and_class_names() -> None:
    net = load_net("torchvision/resnet50", weights=False)
    assert net.geometry == Geometry((224, 224), resize=232)
    assert (net.classes[0], len(net.classes), net.size) == ("tench", 1000, None)
    assert net.mean is not None
    torch.testing.assert_close(net.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    assert load_net("torchvision/resnet50.IMAGENET1K_V1", weights=False).geometry == Geometry((224, 224), resize=256)
    assert load_net("torchvision/vit_b_16", weights=False).size == (224, 224)


def test_geometry_gives_the_pixels_of_torchvisions_own_preset(tmp_path: Path) -> None:
    from torchvision.models import get_model_weights

    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((450, 350)).save(tmp_path / "a.png")
    net = load_net("torchvision/squeezenet1_1.random")
    ours = read_image(tmp_path / "a.png", geometry=net.geometry)
    theirs = get_model_weights("squeezenet1_1").DEFAULT.transforms()(Image.open(tmp_path / "a.png").convert("RGB"))
    assert net.mean is not None
    assert net.std is not None
    torch.testing.assert_close(((ours - net.mean) / net.std)[0], theirs, atol=1e-5, rtol=0)


def test_timm_brings_geometry_normalisation_and_class_names() -> None:
    net = load_net("timm/vit_tiny_patch16_224", weights=False)
    assert net.geometry == Geometry((224, 224), resize=248, interpolation="bicubic")
    assert (net.classes[0], net.size) == ("tench", (224, 224))
    assert net.mean is not None
    assert net.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    assert load_net("timm/resnet10t", weights=False).size is None


def test_geometry_gives_the_pixels_of_timms_own_transform(tmp_path: Path) -> None:
    from timm.data import create_transform, resolve_data_config

    noise = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((450, 350)).save(tmp_path / "a.png")
    net = load_net("timm/vit_tiny_patch16_224", weights=False)
    transform = create_transform(**resolve_data_config({}, model=net.module))
    ours = read_image(tmp_path / "a.png", geometry=net.geometry)
    assert net.mean is not None
    assert net.std is not None
    theirs = transform(Image.open(tmp_path / "a.png").convert("RGB"))
    torch.testing.assert_close(((ours - net.mean) / net.std)[0], theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["torchvision/squeezenet1_1", "timm/resnet10t"])
def test_other_classes_make_another_head(name: str) -> None:
    net = load_net(f"{name}.random", classes=("a", "b", "c"))
    assert net(torch.rand(1, 3, 64, 64)).shape == (1, 3)
    assert net.classes == ("a", "b", "c")


def test_timm_takes_other_channels_and_torchvision_says_no() -> None:
    assert load_net("timm/resnet10t.random", channels=1)(torch.rand(1, 1, 64, 64)).shape == (1, 1000)
    with pytest.raises(StriateError, match="1 channels for torchvision/resnet18"):
        load_net("torchvision/resnet18.random", channels=1)


@pytest.mark.parametrize("file", ["squeezenet1_1.safetensors", "squeezenet1_1-b8a52dc0.pth"])
def test_local_weights_come_before_a_download(file: str, tmp_path: Path) -> None:
    state = load_net("torchvision/squeezenet1_1.random", seed=5).module.state_dict()
    if file.endswith("pth"):
        torch.save(state, tmp_path / file)
    else:
        save_file(state, tmp_path / file)
    net = load_net("torchvision/squeezenet1_1", weights_root=tmp_path)
    assert net.fingerprint() == load_net("torchvision/squeezenet1_1.random", seed=5).fingerprint()
    assert net.origin.file == file
    assert net.classes[0] == "tench"


@pytest.mark.parametrize("file", ["resnet10t.safetensors", "resnet10t.c3_in1k.safetensors"])
def test_local_timm_weights_come_before_a_download(file: str, tmp_path: Path) -> None:
    save_file(load_net("timm/resnet10t.random", seed=5).module.state_dict(), tmp_path / file)
    net = load_net("timm/resnet10t", weights_root=tmp_path)
    assert net.fingerprint() == load_net("timm/resnet10t.random", seed=5).fingerprint()


def test_googlenet_takes_published_weights_with_auxiliary_heads(tmp_path: Path) -> None:
    from torchvision.models import googlenet

    published = googlenet(weights=None, aux_logits=True, transform_input=True, init_weights=False).eval()
    torch.save(published.state_dict(), tmp_path / "googlenet.pth")
    net = load_net("torchvision/googlenet", weights_root=tmp_path)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(images), published((images - net.mean) / net.std))


def test_weights_that_cannot_be_downloaded_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model_weights

    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(type(get_model_weights("resnet18").DEFAULT), "get_state_dict", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(StriateError, match=r"could not be downloaded.*put resnet18-f37072fd.pth or resnet18"):
        load_net("torchvision/resnet18", weights_root=tmp_path)


def test_the_catalogue_lists_every_source_with_citations_that_exist() -> None:
    from striate.core.cite import cite

    rows = {row.name: row for row in list_models()}
    assert {"striate/small", "torchvision/resnet18", "timm/resnet18"} <= set(rows)
    assert rows["torchvision/resnet18"].parameters == 11_689_512
    for key in {key for row in rows.values() for key in row.cites}:
        assert cite(key).author
    assert all("arxiv" not in row.summary for row in rows.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "right"), [("torchvision/squeezenet1_0", 227, 63), ("torchvision/mobilenet_v2", 224, 79)]
)
def test_real_weights_get_the_known_number_of_imagenet_samples_right(
    name: str, side: int, right: int, data_root: Path, weights_root: Path
) -> None:
    net = load_net(name, weights_root=weights_root)
    with zipfile.ZipFile(data_root / "imagenet-sample" / "imagenet_sample300.zip") as archive:
        # Every third of 300; on all of them 197 and 258 are right, which are the numbers known from elsewhere.
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))[::3]
        crop = Geometry((side, side), resize=256)
        images = torch.stack([read_image(archive.read(row["file"]), geometry=crop) for row in rows])
    with torch.no_grad():
        found = torch.cat(
            [net(part.contiguous(memory_format=torch.channels_last)).argmax(1) for part in images.split(25)]
        )
    assert len(rows) == 100
    assert int((found == torch.tensor([int(row["label"]) for row in rows])).sum()) == right
