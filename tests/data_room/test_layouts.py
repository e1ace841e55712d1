"""Folders, tables and functions are recognised, said aloud, and refused in words that help."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import ImageError, StriateError, UnknownNameError
from striate.core.image import read_image
from striate.data.dataset import broken_finding
from striate.data.load import load_data, load_splits

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
COUNTER = iter(range(10**9))


def draw(path: Path, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(next(COUNTER)).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


def classes_in(
    folder: Path, names: tuple[str, ...] = ("cat", "dog", "emu"), count: int = 10, **options: object
) -> Path:
    for name in names:
        for number in range(count):
            draw(folder / name / f"{number}.png", **options)
    return folder


# folder of classes


def test_a_folder_of_classes_is_split_and_said(tmp_path: Path) -> None:
    splits = load_splits(classes_in(tmp_path / "pets"))
    assert splits.said == "folder of classes: 3 classes, 30 images, split 60/20/20 by seed 0"
    assert [part.counts() for part in splits] == [(6,) * 3, (2,) * 3, (2,) * 3]
    assert splits.train.classes == ("cat", "dog", "emu")
    assert splits.train.name == "pets"
    assert splits.train.size == (8, 8)
    names = [part.name_of(row) for part in splits for row in range(len(part))]
    assert sorted(names) == sorted(f"{kind}/{number}.png" for kind in ("cat", "dog", "emu") for number in range(10))
    for part in splits:
        for row in range(len(part)):
            assert part.name_of(row).startswith(part.classes[int(part.labels[row])])
    part, row = splits.test, 1
    assert torch.equal(part.images([row])[0], read_image(tmp_path / "pets" / part.name_of(row)))
    assert splits.train.in_memory


def test_another_seed_gives_another_split_of_the_same_files(tmp_path: Path) -> None:
    classes_in(tmp_path)
    one, two = load_splits(tmp_path, seed=0), load_splits(tmp_path, seed=1)
    assert set(one.test.ids.tolist()) != set(two.test.ids.tolist())
    assert {i for part in one for i in part.ids.tolist()} == {i for part in two for i in part.ids.tolist()}


def test_ids_hang_on_the_file_alone(tmp_path: Path) -> None:
    classes_in(tmp_path)
    before = {part.name_of(row): int(part.ids[row]) for part in load_splits(tmp_path) for row in range(len(part))}
    draw(tmp_path / "cat" / "0-first.png")
    after = {part.name_of(row): int(part.ids[row]) for part in load_splits(tmp_path) for row in range(len(part))}
    assert before.items() < after.items()


@pytest.mark.parametrize(
    ("parts", "sizes", "says"),
    [
        (("train", "test"), [27, 3, 30], "dev is a tenth of train"),
        (("train", "val", "test"), [30, 30, 30], "30 train, 30 dev, 30 test"),
        (("Train", "valid", "TEST"), [30, 30, 30], "in Train, valid, TEST"),
        (("train", "val"), [27, 3, 30], "what is held out is the test split"),
        (("test",), [0, 0, 30], "nothing to train on"),
        (("train",), [18, 6, 6], "split 60/20/20"),
    ],
)
def test_split_folders_are_taken_as_they_are(
    tmp_path: Path, parts: tuple[str, ...], sizes: list[int], says: str
) -> None:
    for part in parts:
        classes_in(tmp_path / part)
    splits = load_splits(tmp_path)
    assert [len(part) for part in splits] == sizes
    assert says in splits.said
    assert [part.split for part in splits] == ["train", "dev", "test"]
    if "test" in parts:
        assert all(splits.test.name_of(row).startswith("test/") for row in range(30))


def test_classes_of_all_split_folders_are_joined(tmp_path: Path) -> None:
    classes_in(tmp_path / "train", ("cat", "dog"))
    classes_in(tmp_path / "test", ("dog", "emu"))
    splits = load_splits(tmp_path)
    assert splits.test.classes == splits.train.classes == ("cat", "dog", "emu")
    assert splits.test.counts() == (0, 10, 10)


def test_what_file_managers_leave_behind_is_ignored(tmp_path: Path) -> None:
    classes_in(tmp_path)
    for stray in (
        ".DS_Store",
        "cat/Thumbs.db",
        "cat/.hidden.png",
        "dog/notes.txt",
        "desktop.ini",
        "__MACOSX/cat/1.png",
    ):
        (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stray).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    splits = load_splits(tmp_path)
    assert splits.said.startswith("folder of classes: 3 classes, 30 images, split")
    draw(tmp_path / "overview.png")
    assert "1 beside the class folders left out" in load_splits(tmp_path).said


def test_links_that_go_in_circles_end(tmp_path: Path) -> None:
    classes_in(tmp_path)
    (tmp_path / "cat" / "loop").symlink_to(tmp_path / "cat", target_is_directory=True)
    (tmp_path / "dog" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert load_splits(tmp_path).said.startswith("folder of classes: 3 classes, 30 images")
    beside = classes_in(tmp_path.parent / f"{tmp_path.name}-beside", ("x",))
    (tmp_path / "emu" / "more").symlink_to(beside, target_is_directory=True)
    assert load_splits(tmp_path).said.startswith("folder of classes: 3 classes, 40 images")


def test_class_names_that_differ_only_by_case_are_refused(tmp_path: Path) -> None:
    classes_in(tmp_path / "train", ("Cat", "dog"))
    classes_in(tmp_path / "test", ("cat", "dog"))
    with pytest.raises(StriateError, match="'Cat' and 'cat' differ only by case"):
        load_splits(tmp_path)


def test_grey_files_are_one_channel_and_mixed_ones_three(tmp_path: Path) -> None:
    classes_in(tmp_path, mode="L")
    assert load_data(tmp_path).channels == 1
    assert load_data(tmp_path, channels=3).images([0]).shape == (1, 3, 8, 8)
    draw(tmp_path / "cat" / "colour.png")
    assert load_data(tmp_path).channels == 3


def test_files_of_several_sizes_take_a_size(tmp_path: Path) -> None:
    classes_in(tmp_path, count=4)
    draw(tmp_path / "cat" / "wide.png", size=(9, 20))
    assert load_splits(tmp_path).train.size is None
    with pytest.raises(StriateError, match="differ in size"):
        load_splits(tmp_path).train.images()
    assert load_splits(tmp_path, size=6).train.images().shape[2:] == (6, 6)
    assert load_splits(tmp_path, size=(5, 7)).train.images().shape[2:] == (5, 7)


# what is not recognised


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    with pytest.raises(StriateError, match=r"hollow is an empty folder; accepted: .*a folder of class folders"):
        load_splits(tmp_path / "hollow")
    (tmp_path / "hollow" / "readme.txt").write_text("nothing")
    with pytest.raises(StriateError, match=r"hollow is a folder without images \(it holds readme.txt"):
        load_splits(tmp_path / "hollow")


def test_images_without_classes_are_refused() -> None:
    with pytest.raises(StriateError, match="photos holds 5 images that nothing gives a class"):
        load_splits(PHOTOS)


def test_layouts_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    classes_in(tmp_path / "train")
    classes_in(tmp_path, ("bird",))
    with pytest.raises(StriateError, match="train beside bird"):
        load_splits(tmp_path)
    classes_in(tmp_path / "b" / "val")
    classes_in(tmp_path / "b" / "valid")
    with pytest.raises(StriateError, match="val, valid, which all mean dev"):
        load_splits(tmp_path / "b")


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    classes_in(tmp_path, ("test", "control"))
    assert load_splits(tmp_path).train.classes == ("control", "test")


def test_files_and_missing_places_are_refused(tmp_path: Path) -> None:
    note = tmp_path / "data.bin"
    note.write_text("x")
    with pytest.raises(StriateError, match="is a file"):
        load_splits(note)
    with pytest.raises(StriateError, match="does not exist"):
        load_splits(tmp_path / "nowhere")
    with pytest.raises(StriateError, match=r"a\.py:function"):
        (tmp_path / "a.py").write_text("")
        load_splits(tmp_path / "a.py")


# broken files


def break_some(folder: Path) -> int:
    (folder / "cat" / "0.png").write_bytes(b"")
    (folder / "cat" / "1.png").write_bytes(b"no image")
    (folder / "dog" / "2.png").unlink()
    (folder / "dog" / "2.png").symlink_to(folder / "gone.png")
    cut = folder / "emu" / "3.png"
    cut.write_bytes(cut.read_bytes()[:70])
    return 4


def test_broken_files_among_many_are_counted_and_named(tmp_path: Path) -> None:
    classes_in(tmp_path, count=40)
    break_some(tmp_path)
    with pytest.raises(StriateError) as caught:
        load_splits(tmp_path)
    text = str(caught.value)
    for word in ("of 120 image files", "cat/0.png (is empty", "cat/1.png", "dog/2.png (does not exist", "skip_broken"):
        assert word in text


def test_broken_files_are_left_out_when_asked_and_make_a_finding(tmp_path: Path) -> None:
    classes_in(tmp_path, count=40)
    count = break_some(tmp_path)
    splits = load_splits(tmp_path, skip_broken=True)
    assert sum(len(part) for part in splits) == 120 - count
    assert f"{count} broken files left out" in splits.said
    assert [one.name for one in splits.test.broken] == ["cat/0.png", "cat/1.png", "dog/2.png", "emu/3.png"]
    found = broken_finding(splits.test)
    assert found is not None
    assert f"{count} files" in found.seen
    for part in splits:
        part.images()


def test_many_broken_files_are_cut_short_in_the_message(tmp_path: Path) -> None:
    classes_in(tmp_path, count=20)
    for path in tmp_path.glob("cat/*.png"):
        path.write_bytes(b"junk")
    with pytest.raises(StriateError, match=r"20 of 60 .* and 15 more"):
        load_splits(tmp_path)


def test_a_file_that_goes_away_later_is_named(tmp_path: Path) -> None:
    data = load_data(classes_in(tmp_path / "pets"), split="train")
    (tmp_path / "pets" / data.name_of(0)).unlink()
    with pytest.raises(ImageError, match=f"pets/{data.name_of(0)} does not exist"):
        data.images()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    classes_in(tmp_path / "secret")
    (tmp_path / "secret").chmod(0)
    try:
        with pytest.raises(StriateError, match="secret cannot be read"):
            load_splits(tmp_path / "secret")
    finally:
        (tmp_path / "secret").chmod(0o755)


# tables


def with_table(folder: Path, text: str, count: int = 10, ending: str = ".png") -> Path:
    for number in range(count):
        draw(folder / f"img{number}{ending}")
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder


def rows(count: int = 10, form: str = "img{0}.png,{1}") -> str:
    return "\n".join(form.format(number, "ab"[number % 2]) for number in range(count))


@pytest.mark.parametrize(
    ("head", "form", "says"),
    [
        ("file,label", "img{0}.png,{1}", "columns file and label"),
        ("\ufeffImage ; Class", "img{0}.png;{1}", "columns image and class"),
        ("category\tfilename", "{1}\timg{0}.png", "columns filename and category"),
        ("id,name,target", "9,img{0},{1}", "columns name and target"),
        ("path,y", "./img{0}.png,{1}", "columns path and y"),
        ("path,y", "elsewhere/img{0}.png,{1}", "columns path and y"),
    ],
)
def test_columns_are_recognised_and_said(tmp_path: Path, head: str, form: str, says: str) -> None:
    folder = with_table(tmp_path / "flat", f"{head}\n{rows(form=form)}\n")
    splits = load_splits(folder)
    assert says in splits.said
    assert "folder of images with labels.csv" in splits.said
    assert splits.train.classes == ("a", "b")
    found = {part.name_of(row): part.classes[int(part.labels[row])] for part in splits for row in range(len(part))}
    assert found == {f"img{number}.png": "ab"[number % 2] for number in range(10)}
    assert load_splits(folder / "labels.csv").said == splits.said


def test_numbers_as_labels_come_in_the_order_of_their_values(tmp_path: Path) -> None:
    text = "file,label\n" + "\n".join(f"img{number}.png,{(10, 9, 2)[number % 3]}" for number in range(12))
    assert load_splits(with_table(tmp_path, text, 12)).train.classes == ("2", "9", "10")


def test_a_split_column_is_followed(tmp_path: Path) -> None:
    text = "file,label,split\n" + "\n".join(
        f"img{number}.png,{'ab'[number % 2]},{('train', 'train', 'val', 'test')[number % 4]}" for number in range(12)
    )
    splits = load_splits(with_table(tmp_path, text, 12))
    assert [len(part) for part in splits] == [6, 3, 3]
    assert "split by split" in splits.said
    assert {splits.test.name_of(row) for row in range(3)} == {"img3.png", "img7.png", "img11.png"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "has the columns a, b; accepted"),
        ("", "has the columns"),
        ("file,label\nimg0.png\n", "line 2 of labels.csv"),
        ("file,label\nimg0.png,\n", "line 2 of labels.csv"),
        ("file,label\n", "lists no images"),
        ("file,label\nimg0.png,a\nimg0.png,b\n", "lists img0.png in lines 2 and 3"),
        ("file,label\nnope.png,a\n", "lists 1 files that are not in"),
        ("file,label\n../../etc/passwd,a\n", "lists 1 files that are not in"),
        ("file,label,split\nimg0.png,a,holiday\n", "split 'holiday'"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StriateError) as caught:
        load_splits(with_table(tmp_path, text))
    assert says in str(caught.value)


def test_files_that_a_table_lists_in_vain_are_left_out_when_asked(tmp_path: Path) -> None:
    folder = with_table(tmp_path, f"file,label\n{rows()}\ngone.png,a\n")
    splits = load_splits(folder, skip_broken=True)
    assert sum(len(part) for part in splits) == 10
    assert [one.name for one in splits.train.broken] == ["gone.png"]
    assert "1 broken or missing files left out" in splits.said
    (folder / "img3.png").write_bytes(b"junk")
    assert len(load_splits(folder, skip_broken=True).train.broken) == 2


def test_two_tables_are_one_too_many_and_images_not_listed_are_counted(tmp_path: Path) -> None:
    folder = with_table(tmp_path, f"file,label\n{rows(8)}\n")
    assert "2 images not listed left out" in load_splits(folder).said
    (folder / "more.csv").write_text("file,label\n")
    with pytest.raises(StriateError, match=r"2 tables: labels\.csv, more\.csv"):
        load_splits(folder)


# functions


def script(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(f"import torch\nimport numpy as np\n{body}\n")
    return f"{path}:make"


@pytest.mark.parametrize(
    "body",
    [
        "def make(): return torch.rand(20, 3, 8, 8), torch.arange(20) % 2",
        "def make(): return np.zeros((20, 8, 8, 3), np.uint8), [0, 1] * 10, ('a', 'b')",
        "from striate.data.dataset import Dataset\n"
        "def make(): return Dataset.of(torch.rand(20, 1, 8, 8), torch.arange(20) % 2)",
    ],
)
def test_a_function_gives_data(tmp_path: Path, body: str) -> None:
    splits = load_splits(script(tmp_path, body))
    assert [len(part) for part in splits] == [12, 4, 4]
    assert splits.said.startswith("mine.py:make: 2 classes, 20 images")


def test_a_function_may_give_its_own_splits(tmp_path: Path) -> None:
    body = "from striate.data.load import load_splits\ndef make(): return load_splits('shapes:train=30')"
    assert len(load_splits(script(tmp_path, body)).train) == 30


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def make(): return 7", "gave a int"),
        ("def make(): return torch.rand(4, 3, 8, 8), torch.rand(4)", "one whole number an image"),
        ("def make(): return torch.rand(4, 3, 8, 8), [0, 1]", "4 images and 2 labels"),
        ("def make(): return torch.rand(4, 3, 8, 8) * 9, [0, 1, 0, 1]", "hold values from"),
        ("def make(): raise KeyError('ouch')", "raised KeyError: 'ouch'"),
        ("import no_such_module", "raised ModuleNotFoundError"),
        ("def make(needed): return 1", "raised TypeError"),
        ("def make(): return torch.rand(0, 3, 8, 8), []", "gave no images"),
    ],
)
def test_what_a_function_gets_wrong_is_said(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(StriateError) as caught:
        load_splits(script(tmp_path, body))
    assert says in str(caught.value)


def test_a_function_that_is_not_there_gives_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="make"):
        load_splits(script(tmp_path, "def make(): return 1").replace(":make", ":mkae"))
    with pytest.raises(StriateError, match=r"no file .*absent\.py"):
        load_splits(str(tmp_path / "absent.py:make"))


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *(("train", "train"), ("training", "train"), ("trn", "train"), ("test", "test"), ("testing", "test")),
        *((word, "dev") for word in ("dev", "val", "valid", "validation")),
    ],
)
def test_folders_and_tables_know_the_same_words_for_splits(tmp_path: Path, word: str, split: str) -> None:
    classes_in(tmp_path / "folders" / word, count=3)
    classes_in(tmp_path / "table" / "all", count=3)
    files = sorted(path.relative_to(tmp_path / "table").as_posix() for path in (tmp_path / "table").rglob("*.png"))
    rows = [f"{name},{name.split('/')[1]},{word}" for name in files]
    (tmp_path / "table" / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    for place in ("folders", "table"):
        splits = load_splits(tmp_path / place)
        held = {part.split: len(part) for part in (splits.train, splits.dev, splits.test)}
        divided = {"train": 5, "dev": 2, "test": 2}  # images to train on alone are divided
        assert held == (divided if split == "train" else {"train": 0, "dev": 0, "test": 0, split: 9})
        assert splits.train.classes == ("cat", "dog", "emu")


def test_images_without_classes_are_taken_where_no_label_is_needed(tmp_path: Path) -> None:
    splits = load_splits(PHOTOS, unlabelled=True)
    assert splits.said.startswith("folder of images without labels: 5 images")
    assert (splits.train.task, splits.train.classes, set(splits.train.labels.tolist())) == ("none", (), {-1})
    assert sum(len(part) for part in splits) == 5
    classes_in(tmp_path / "both")
    labelled = load_splits(tmp_path / "both", unlabelled=True)
    assert labelled.train.task == "classes"
    assert load_splits(tmp_path / "both", layout="images").train.task == "none"
    (tmp_path / "none").mkdir()
    with pytest.raises(StriateError, match="none holds no image"):
        load_splits(tmp_path / "none", layout="images")
