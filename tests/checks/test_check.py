"""Checking whole data: leaks, other labels, torn groups, the cleaned list; nothing on disk is changed."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from checks.drawn import photographs, picture, saved_anew, splits_of
from striate.checks.check import Checking, check_data
from striate.checks.cleaned import kept_csv, reasons_csv
from striate.checks.payload import Checked
from striate.core.codec import from_json, to_json
from striate.core.finding import Finding
from striate.core.image import to_bytes
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits


def said(checking: Checking) -> dict[str, Finding]:
    """Findings by id."""
    return {each.id: each for each in checking.findings}


def toy(images: torch.Tensor, labels: list[int], *, groups: list[str] | None = None) -> Dataset:
    """Images in memory."""
    notes = None if groups is None else tuple(Annotations(group=each) for each in groups)
    return Dataset.of(to_bytes(images), labels, classes=("cat", "dog"), name="toy", notes=notes)


def three(*, test: torch.Tensor, labels: list[int]) -> Splits:
    """Twenty training images, ten to choose by, and these to test on."""
    return splits_of(toy(photographs(20), [0, 1] * 10), toy(photographs(10, seed=1), [0, 1] * 5), toy(test, labels))


def test_copies_across_splits_are_an_error_from_one_in_a_hundred_on() -> None:
    test = torch.cat([photographs(8, seed=2), photographs(20)[[4, 7]] * 0.95 + 0.02])
    found = check_data(three(test=test, labels=[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), learned=False)
    leak = said(found)["leak/train+test"]
    assert set(said(found)) == {"leak/train+test"}
    assert leak.severity == "error"
    assert leak.evidence[0].number is not None
    assert (leak.evidence[0].number.value, leak.evidence[0].number.n) == (2, 10)
    assert [each.picture in found.album for each in leak.evidence[1:]] == [True, True]
    assert [(each.kind, each.splits, each.images) for each in found.result.leaks] == [("copies", ("train", "test"), 2)]
    groups = found.result.duplicates.groups
    assert {tuple((m.split, m.row) for m in group.members) for group in groups} == {
        (("train", 4), ("test", 8)), (("train", 7), ("test", 9)),
    }  # fmt: skip
    assert all(group.picture in found.album for group in groups)


def test_what_was_tested_stays_in_the_cleaned_list_and_its_copies_leave_training() -> None:
    test = torch.cat([photographs(8, seed=2), photographs(20)[[4, 7]]])
    found = check_data(three(test=test, labels=[0, 1] * 5), learned=False)
    gone = [row for row in found.rows if not row.keep]
    assert [(row.split, row.row) for row in gone] == [("train", 4), ("train", 7)]
    assert gone[0].reasons == ("equal pixels of test image toy 8",)
    assert found.result.kept == 38
    assert [(each.split, each.row, each.suggested) for each in found.result.removals] == [
        ("train", 4, ""),
        ("train", 7, ""),
    ]


def test_one_picture_with_two_labels_is_an_error_and_the_majority_is_kept() -> None:
    test = torch.cat([photographs(8, seed=2), photographs(20)[[4, 4]]])
    found = check_data(three(test=test, labels=[0, 1, 0, 1, 0, 1, 0, 1, 1, 1]), learned=False)
    conflict = said(found)["conflicting-labels/toy"]
    assert conflict.severity == "error"
    assert "1 picture carries more than one label" in conflict.seen
    assert found.result.duplicates.groups[0].labels
    gone = {(row.split, row.row) for row in found.rows if not row.keep}
    assert gone == {("train", 4), ("test", 9)}


def test_without_a_majority_the_training_images_go() -> None:
    test = torch.cat([photographs(9, seed=2), photographs(20)[[4]]])
    found = check_data(three(test=test, labels=[0, 1, 0, 1, 0, 1, 0, 1, 1, 1]), learned=False)
    gone = [row for row in found.rows if not row.keep]
    assert [(row.split, row.row) for row in gone] == [("train", 4)]
    assert "which has another label" in gone[0].reasons[0]


def test_copies_within_a_split_are_a_warning_that_counts_what_could_go() -> None:
    train = torch.cat([photographs(20), photographs(20)[[3, 3]]])
    found = check_data(splits_of(toy(train, [0, 1] * 10 + [1, 1])), learned=False)
    one = said(found)["duplicates/toy"]
    assert one.severity == "warning"
    assert one.evidence[0].number is not None
    assert one.evidence[0].number.value == 2
    assert (found.result.duplicates.images, found.result.duplicates.surplus) == (3, 2)


def test_a_group_on_both_sides_of_a_split_is_a_leak() -> None:
    train = toy(photographs(10), [0, 1] * 5, groups=[f"person {number // 2}" for number in range(10)])
    test = toy(photographs(6, seed=2), [0, 1] * 3, groups=["person 4", "person 7", "", "", "person 7", "person 8"])
    found = check_data(splits_of(train, None, test), learned=False)
    torn = said(found)["torn-groups/train+test"]
    assert torn.severity == "error"
    assert "1 of 7 groups" in torn.seen
    assert "person 4" in torn.seen
    assert [(each.kind, each.what, each.images) for each in found.result.leaks] == [("group", "person 4", 1)]
    whole = toy(photographs(6, seed=2), [0, 1] * 3, groups=["person 7"] * 6)
    assert said(check_data(splits_of(train, None, whole), learned=False)) == {}


def test_healthy_drawn_data_give_no_finding() -> None:
    for name in ("digits", "shapes:train=800:dev=200:test=200"):
        assert check_data(load_splits(name), learned=False).findings == ()


def test_the_payload_reads_back_and_does_not_depend_on_the_run() -> None:
    test = torch.cat([photographs(8, seed=2), photographs(20)[[4, 7]]])
    splits = three(test=test, labels=[0, 1] * 5)
    first, second = check_data(splits, learned=False), check_data(splits, learned=False, workers=3, memory=1 << 22)
    assert from_json(to_json(first.result), Checked) == first.result == second.result
    assert first.album == second.album
    assert {each.name for each in first.result.statistics if each.split == "test"} >= {"brightness", "sharpness"}
    assert first.result.left_out


def folder_with_faults(folder: Path) -> None:
    """Two classes; a copy saved anew, one single colour, one file cut in the middle, one that is no image."""
    for label, seed in (("cat", 0), ("dog", 1)):
        (folder / label).mkdir(parents=True)
        for number, image in enumerate(photographs(15, seed=seed)):
            picture(image).save(folder / label / f"{number:02}.png")
    saved_anew(picture(photographs(15)[3]), 60).resize((140, 120)).save(folder / "cat" / "copy.png")
    Image.new("RGB", (90, 90), (90, 10, 10)).save(folder / "dog" / "plain.png")
    whole = (folder / "dog" / "00.png").read_bytes()
    (folder / "dog" / "00.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cat" / "note.png").write_text("no image", encoding="utf-8")


def test_a_damaged_folder_is_told_in_full_and_left_as_it_is(tmp_path: Path) -> None:
    folder_with_faults(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    found = check_data(load_splits(tmp_path, skip_broken=True), learned=False)
    ids = {each.check: each for each in found.findings}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    assert set(ids) <= {"broken_files", "single-colour", "duplicates", "leak"}
    assert "2 files" in ids["broken_files"].seen
    assert "dog/plain.png" in ids["single-colour"].seen
    assert found.result.duplicates.near == 1
    assert sum(part.broken for part in found.result.counts.splits) == 2


def test_files_that_break_only_when_decoded_are_found_by_the_scan(tmp_path: Path) -> None:
    folder_with_faults(tmp_path)
    (tmp_path / "cat" / "note.png").unlink()
    found = check_data(load_splits(tmp_path), learned=False)
    broken = next(each for each in found.findings if each.check == "broken_files")
    assert broken.seen.startswith(f"1 file of {tmp_path.name} cannot be read and was left out: dog/00.png (")
    assert "dog/00.png" in broken.seen
    assert sum(part.images for part in found.result.counts.splits) == len(found.rows) == 31


def test_the_lists_hold_every_image_and_the_kept_ones_can_be_loaded(tmp_path: Path) -> None:
    folder_with_faults(tmp_path)
    found = check_data(load_splits(tmp_path, skip_broken=True), learned=False)
    every = list(csv.DictReader(io.StringIO(reasons_csv(found.rows))))
    assert {row["file"] for row in every} == {row.name for row in found.rows}
    assert {row["file"]: row["reasons"] for row in every if row["keep"] == "no"}["dog/plain.png"] == "single colour"
    (tmp_path / "cleaned.csv").write_text(kept_csv(found.rows, "classes"), encoding="utf-8")
    again = load_splits(tmp_path / "cleaned.csv")
    assert sum(map(len, again)) == found.result.kept == 29
    assert again.train.classes == ("cat", "dog")
    assert [part.split for part in again] == ["train", "dev", "test"]
    kept = {
        part.split: sorted(row.name for row in found.rows if row.keep and row.split == part.split) for part in again
    }
    assert kept == {part.split: sorted(part.name_of(row) for row in range(len(part))) for part in again}


def test_empty_splits_and_single_images_are_no_trouble() -> None:
    one = replace(toy(photographs(1), [0]), split="train")
    assert check_data(splits_of(one), learned=False).result.counts.images == 1


def test_labels_in_doubt_show_their_own_images() -> None:
    images = photographs(240)
    labels = [0, 1] * 120
    splits = splits_of(
        toy(images[:160], labels[:160]), toy(images[160:200], labels[:40]), toy(images[200:], labels[:40])
    )
    found = check_data(splits, seed=1)
    listed = [*found.result.suspects, *found.result.doubtful]
    assert found.result.doubtful
    assert len({(each.split, each.row) for each in listed}) == len(listed)
    shown = [each for each in listed if each.picture]
    assert len({each.picture for each in shown}) == len(shown)
    parts = {part.split: part for part in splits}
    for each in shown[:5]:
        with Image.open(io.BytesIO(found.album[each.picture])) as picture:
            mean = torch.tensor(list(picture.convert("RGB").tobytes())).float().mean() / 255
        assert float(mean) == pytest.approx(float(parts[each.split].images([each.row]).mean()), abs=0.02)
