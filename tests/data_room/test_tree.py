"""Folders and archives give the same files, refuse what is dangerous, and are not misled by odd names and links."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import ImageError, StriateError
from striate.data import dataset, tree
from striate.data.archive import Archive
from striate.data.batches import batches
from striate.data.load import load_data, load_splits
from striate.data.tree import ChangedError, Folder, open_tree


def png(number: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def archive(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in members.items():
            out.writestr(zipfile.ZipInfo(name), data, method)
    return path


def pets(count: int = 6) -> dict[str, bytes]:
    return {f"{kind}/{number}.png": png(number) for kind in ("cat", "dog") for number in range(count)}


def unpacked(folder: Path, members: dict[str, bytes]) -> Path:
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_an_archive_and_its_folder_list_and_give_the_same(tmp_path: Path) -> None:
    folder = open_tree(unpacked(tmp_path / "pets", pets()))
    packed = open_tree(archive(tmp_path / "pets.zip", pets()))
    assert packed.files() == folder.files()
    assert all(packed.load(name)[0] == folder.load(name)[0] == packed.read(name) for name in folder.files().names)
    assert all(packed.weight(name) == folder.weight(name) for name in folder.files().names)
    one, two = load_data(tmp_path / "pets"), load_data(tmp_path / "pets.zip")
    assert torch.equal(one.images(), two.images())
    assert torch.equal(one.ids, two.ids)


def test_an_only_folder_around_everything_is_passed_by(tmp_path: Path) -> None:
    wrapped = archive(tmp_path / "pets.zip", {f"pets-v1/{name}": data for name, data in pets().items()})
    assert load_splits(wrapped).train.classes == ("cat", "dog")


def test_names_that_lead_elsewhere_are_harmless(tmp_path: Path) -> None:
    odd = {
        "../../evil/1.png": png(1),
        "/etc/2.png": png(2),
        "dog\\3.png": png(3),
        "cat//4.png": png(4),
        "./cat/5.png": png(5),
    }
    found = open_tree(archive(tmp_path / "odd.zip", odd))
    assert found.files().names == ("cat/4.png", "cat/5.png", "dog/3.png", "etc/2.png")
    for name, number in (("dog/3.png", 3), ("cat/4.png", 4), ("cat/5.png", 5), ("etc/2.png", 2)):
        assert found.load(name)[0] == png(number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.zip"]
    with pytest.raises(ImageError, match=r"outside\.png is not in odd\.zip"):
        found.load("../../../outside.png")


def broken_checksum(path: Path) -> Path:
    archive(path, pets(), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    place = data.index(png(2)) + 60
    data[place] ^= 255
    path.write_bytes(data)
    return path


def test_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    packed = open_tree(broken_checksum(tmp_path / "pets.zip"))
    with pytest.raises(ImageError, match=r"pets/cat/2\.png in pets\.zip cannot be read: Bad CRC-32"):
        packed.load("cat/2.png")
    with pytest.raises(StriateError, match=r"1 of 12 image files in pets cannot be read: cat/2\.png .*Bad CRC-32"):
        load_splits(tmp_path / "pets.zip")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "pets.zip", pets(), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = data.index(mark)
        data[place + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(
        ImageError, match=r"cat/0\.png in pets\.zip is encrypted; accepted: archives without a password"
    ):
        open_tree(path).load("cat/0.png")


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_BYTES", 5_000_000)
    path = archive(tmp_path / "bomb.zip", {"a/1.png": bytes(6_000_000), "a/2.png": bytes(4_000_000)})
    found = open_tree(path)
    with pytest.raises(ImageError, match=r"bomb/a/1\.png unpacks to 6 MB; accepted: at most 5 MB a file"):
        found.load("a/1.png")
    unpacked(tmp_path / "large", {"a/1.png": bytes(6_000_000)})
    with pytest.raises(ImageError, match=r"large/a/1\.png has 6 MB; accepted: at most 5 MB"):
        Folder(tmp_path / "large").load("a/1.png")


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = archive(tmp_path / "liar.zip", {"a/1.png": bytes(50_000_000)})
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 1000)
    path.write_bytes(data)
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ImageError, match=r"liar/a/1\.png in liar\.zip cannot be read: Bad CRC-32"):
        open_tree(path).load("a/1.png")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    for data in (b"", b"no archive", archive(tmp_path / "x.zip", pets()).read_bytes()[:-30]):
        (tmp_path / "bad.zip").write_bytes(data)
        with pytest.raises(StriateError, match=r"bad\.zip cannot be read: .*; accepted: a zip archive"):
            load_splits(tmp_path / "bad.zip")


def test_an_archive_that_is_replaced_under_the_run_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "pets.zip", pets())
    data = load_data(path, split="train")
    data.images([0])
    archive(tmp_path / "other.zip", pets(7)).replace(path)
    with pytest.raises(ChangedError, match=r"pets\.zip is another file than when it was opened"):
        data.images([1])
    assert len(load_data(path, split="train")) == 8  # loaded again, it is what it is now


def test_an_archive_is_read_by_many_threads_at_once(tmp_path: Path) -> None:
    found = open_tree(archive(tmp_path / "pets.zip", pets(20)))
    names = found.files().names * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: found.load(name)[0], names)) == [png(int(name[4:-4])) for name in names]


def test_an_archive_is_read_by_several_processes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "pets.zip", pets(20))
    want = load_data(path, split="train").images()
    monkeypatch.setattr(dataset, "FITS", 0)
    data = load_data(path, split="train")
    data.images([0])  # the handle is open before the processes begin
    got = torch.cat([images for _, images, _ in batches(data, 2, workers=2)])
    assert torch.equal(got, want)


# folders


def test_pipes_devices_and_links_to_themselves_are_named_not_waited_for(tmp_path: Path) -> None:
    unpacked(tmp_path, pets(2))
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "self.png").symlink_to(tmp_path / "cat" / "self.png")
    (tmp_path / "cat" / "null.png").symlink_to("/dev/null")
    with pytest.raises(StriateError) as caught:
        load_splits(tmp_path)
    for words in (
        "3 of 7 image files",
        "cat/pipe.png (is no ordinary file",
        "cat/null.png (is no ordinary",
        "cat/self.png",
    ):
        assert words in str(caught.value)


def test_a_folder_with_an_ending_of_an_image_is_a_folder(tmp_path: Path) -> None:
    unpacked(tmp_path, {"cat/odd.png/1.png": png(1), "cat/2.png": png(2), "dog/3.png": png(3)})
    assert Folder(tmp_path).files().names == ("cat/2.png", "cat/odd.png/1.png", "dog/3.png")


def test_names_that_are_no_text_are_names_all_the_same(tmp_path: Path) -> None:
    unpacked(tmp_path, pets(4))
    odd = os.fsencode(tmp_path / "cat") + b"/caf\xe9\xff.png"
    try:
        Path(os.fsdecode(odd)).write_bytes(png(99))
    except OSError:
        pytest.skip("this file system takes no such names")
    splits = load_splits(tmp_path, size=8)
    names = [part.name_of(row) for part in splits for row in range(len(part))]
    assert "cat/caf\udce9\udcff.png" in names
    assert splits.train.fingerprint()
    for part in splits:
        part.images()


def test_a_folder_that_links_lead_to_twice_is_read_once(tmp_path: Path) -> None:
    unpacked(tmp_path / "all", pets(3))
    (tmp_path / "all" / "again").symlink_to(tmp_path / "all" / "cat", target_is_directory=True)
    listing = Folder(tmp_path / "all").files()
    assert len(listing.names) == 6
    assert listing.folders == ("again", "dog")  # what comes first by name counts


def test_a_tree_is_small_to_send(tmp_path: Path) -> None:
    import pickle

    packed = open_tree(archive(tmp_path / "pets.zip", pets(50)))
    assert isinstance(packed, Archive)
    assert len(pickle.dumps(packed)) < 1000
