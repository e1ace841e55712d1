"""Meaning of units: counted as by hand, exact where a unit is a mask, silent where it follows nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from oracles.inside_meaning import quantile_threshold, unit_iou
from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.data.load import load_data
from striate.inside.meaning.concepts import Marked, concepts_of
from striate.inside.meaning.counts import Meetings, Shelf
from striate.inside.meaning.enlarge import Enlarged
from striate.inside.meaning.labels import chance_of, label_units
from striate.inside.meaning.table import layers_of
from striate.inside.meaning.threshold import TopShare
from striate.nets.net import Net
from striate.nets.payload import Field
from striate.nets.site import Site


class Given:
    """Concepts given as masks (N, K, H, W)."""

    def __init__(self, masks, counted=None, names=None):
        self.masks, self.counted = masks, counted
        self.names = names or tuple(f"c{one}" for one in range(masks.shape[1]))
        self.kinds = ("object",) * len(self.names)

    def marked(self, rows):
        for row in rows:
            present = self.masks[row].flatten(1).any(1).nonzero()[:, 0]
            yield Marked(present, self.masks[row][present], None if self.counted is None else self.counted[row])


def colourful(count=40, side=12, seed=0):
    """Pictures with a red and a green square at random places on noise in blue; masks of the squares."""
    ids = torch.arange(count)
    at = Rng(seed, "places").integers(ids, (4,), high=side - 4)
    images = torch.zeros(count, 3, side, side)
    images[:, 2] = Rng(seed, "blue").uniform(ids, (side, side))
    masks = torch.zeros(count, 2, side, side, dtype=torch.bool)
    for row in range(count):
        for colour in range(2):
            y, x = at[row, 2 * colour : 2 * colour + 2].tolist()
            images[row, colour, y : y + 4, x : x + 4] = 1.0
            masks[row, colour, y : y + 4, x : x + 4] = True
    return Dataset.of(images, [0] * count, classes=("squares",)), Given(masks, names=("red", "green"))


def reader(*weights):
    """A net whose units are these sums of red, green and blue of their own pixel."""
    conv = nn.Conv2d(3, len(weights), 1, bias=False)
    conv.weight.data = torch.tensor(weights).float().view(len(weights), 3, 1, 1)
    return Net(nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.LazyLinear(1)), classes=1, size=12, channels=3)


def built(net):
    net.module(torch.zeros(1, 3, 12, 12))
    return net


def test_a_unit_that_is_the_mask_of_a_colour_has_its_label_and_one():
    data, concepts = colourful()
    labels = label_units(built(reader((1, 0, 0), (0, 1, 0), (0, 0, 0))), data, "1", concepts=concepts)
    assert [label.concept for label in labels] == ["red", "green", ""]
    assert labels[0].iou.value == pytest.approx(1.0)
    assert labels[1].iou.value == pytest.approx(1.0)
    assert labels[0].chance < 0.3


def test_units_that_see_only_noise_get_no_label_and_a_dead_one_none():
    data, concepts = colourful(60)
    net = built(reader((0, 0, 1), (0, 0, -1), (0, 0, 0), (0, 0, 0.5)))
    labels = label_units(net, data, "0", concepts=concepts)
    assert [label.concept for label in labels] == [""] * 4
    assert labels[2].iou.value is None
    assert labels[2].nearest == ""
    assert "never" in labels[2].iou.why


def test_counts_are_those_of_loops_over_pixels(net, photos):
    ids = torch.arange(6)
    images = (photos[torch.tensor([0, 1, 2, 3, 0, 1])] + 0.1 * Rng(1, "n").uniform(ids, (3, 16, 16))).clamp(0, 1)
    data = Dataset.of(images, [0] * 6, classes=("a",))
    images = data.images()
    masks = Rng(2, "masks").uniform(ids, (3, 4, 4)) > 0.6
    masks = masks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    counted = Rng(3, "void").uniform(ids, (16, 16)) > 0.2
    labels = label_units(net, data, "conv2", concepts=Given(masks, counted), share=0.05)
    with net.look(read=["conv2"]) as look:
        maps = look(images)["conv2"].double().numpy()
    field = next(site.field for site in net.sites(16) if site.name == "conv2")
    stride, offset = [one.stride for one in field], [one.offset for one in field]
    for label in labels[:5]:
        unit = maps[:, label.unit]
        assert label.threshold == pytest.approx(quantile_threshold(unit, 0.05), rel=1e-5)
        found = [
            unit_iou(unit, masks[:, k].numpy(), counted.numpy(), share=0.05, stride=stride, offset=offset)
            for k in range(3)
        ]
        assert label.iou.value == pytest.approx(found[int(label.nearest[1:])], abs=2e-3)
        if not label.concept:
            assert label.iou.value <= label.chance
        assert label.above == tuple(sorted(label.above, key=lambda each: -each[1]))


def test_the_threshold_is_exact_whatever_the_chunks():
    values = Rng(0, "v").normal(torch.arange(3), (1000,))
    for size in (1000, 64, 7):
        top = TopShare(units=3, places=1000, share=0.013)
        for part in values.split(size, 1):
            top.add(part)
        expected = [quantile_threshold(row.numpy(), 0.013) for row in values]
        assert top.thresholds().tolist() == pytest.approx(expected)
        assert (values > top.thresholds()[:, None]).sum(1).tolist() == [13, 13, 13]


def test_enlarged_maps_stand_where_the_units_see():
    site = Site("x", "conv2d", (), (1, 5, 6), field=(Field(9, 4.0, 1.5), Field(3, 2.0, -1.0)))
    rows, columns = torch.arange(5.0), torch.arange(6.0)
    ramp = (1.5 + 4 * rows)[:, None] * 0.5 + (-1 + 2 * columns)[None]  # a linear function of the place
    big = Enlarged(site, (20, 12))(ramp)
    y, x = torch.arange(20.0), torch.arange(12.0)
    truth = y[:, None].clamp(1.5, 17.5) * 0.5 + x[None].clamp(-1, 9)
    assert torch.allclose(big, truth, atol=1e-5)


def test_masks_of_other_images_are_met_as_by_hand():
    masks = Rng(4, "m").uniform(torch.arange(4), (2, 5, 5)) > 0.5
    given, on = list(Given(masks).marked(range(4))), Rng(5, "on").uniform(torch.arange(4), (3, 5, 5)) > 0.7
    shelf = Shelf.of(given, (5, 5), concepts=2, shuffles=6, seed=0)
    meetings = Meetings(3, 2, 6)
    for row in range(4):
        meetings.add(on[row], given[row], shelf, units=slice(0, 3))
    found = meetings.shuffled_ious()
    for shuffle in range(6):
        partner = shelf.partners[shuffle]
        assert sorted(partner.tolist()) == [0, 1, 2, 3]
        assert bool((partner != torch.arange(4)).all())
        for unit in range(3):
            for concept in range(2):
                a, m = on[:, unit], masks[partner, concept]
                assert float(found[unit, shuffle, concept]) == pytest.approx(float((a & m).sum() / (a | m).sum()))


def test_chance_is_above_nearly_all_of_independent_draws():
    draws = Rng(6, "null").uniform(torch.arange(400), (101, 5)).double()
    above = (draws[:, 0] > chance_of(draws[:, 1:])).any(1).double().mean()
    assert float(above) < 0.03  # one in a hundred but for luck


def test_the_interval_covers_what_many_images_show():
    def found(count, seed):
        data, concepts = colourful(count, seed=seed)
        held = Rng(seed, "lost").uniform(torch.arange(count)) > 0.4  # the unit is silent in some images
        images = data.images() * torch.stack([held.float(), torch.ones(count), torch.ones(count)], 1)[..., None, None]
        data = Dataset.of(images, [0] * count, classes=("squares",))
        return label_units(built(reader((1, 0, 0))), data, "1", concepts=concepts, shuffles=20)[0].iou

    truth = found(500, 100).value
    intervals = [found(40, seed) for seed in range(12)]
    assert sum(one.low <= truth <= one.high for one in intervals) >= 9


def test_chunks_and_memory_change_nothing_and_the_net_is_left_alone(net, photos):
    data = Dataset.of(
        photos.repeat(3, 1, 1, 1) * torch.linspace(0.5, 1, 12).view(12, 1, 1, 1), [0] * 12, classes=("a",)
    )
    masks = Rng(2, "masks").uniform(torch.arange(12), (3, 16, 16)) > 0.6
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one = label_units(net, data, ["relu", "conv2"], concepts=Given(masks))
    two = label_units(net, data, ["relu", "conv2"], concepts=Given(masks), memory=40_000)
    assert [(a.concept, a.nearest, a.unit, a.site) for a in one] == [
        (b.concept, b.nearest, b.unit, b.site) for b in two
    ]
    assert [a.iou.value for a in one] == pytest.approx([b.iou.value for b in two], abs=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_shapes_say_outline_colour_texture_and_ground():
    data = load_data("shapes").limit(8)
    concepts = concepts_of(data)
    for row, one in enumerate(concepts.marked(range(8))):
        words = data.sample(row).attributes
        shown = {(concepts.kinds[k], concepts.names[k]) for k in one.concepts.tolist()}
        assert shown == {
            ("object", words["shape"]),
            ("colour", words["colour"]),
            ("texture", words["texture"]),
            ("part", "rim"),
            ("scene", f"{words['ground']} ground"),
        }
        masks = dict(zip([concepts.names[k] for k in one.concepts.tolist()], one.masks, strict=True))
        assert torch.equal(masks[words["shape"]], data.sample(row).masks[0])
        assert torch.equal(masks[words["colour"]], masks[words["texture"]])
        assert bool((masks["rim"] <= masks[words["shape"]]).all())
        assert bool(masks["rim"].any())


def test_a_class_for_every_pixel_leaves_void_out(tmp_path):
    from PIL import Image

    from striate.data.load import load_splits

    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(10):
        values = np.zeros((8, 8), dtype=np.uint8)
        values[:4], values[7] = 1, 255
        Image.fromarray(np.full((8, 8, 3), 9 * number, dtype=np.uint8)).save(tmp_path / "images" / f"{number}.png")
        Image.fromarray(values).save(tmp_path / "masks" / f"{number}.png")
    data = load_splits(tmp_path).train
    one = next(iter(concepts_of(data).marked([0])))
    assert one.concepts.tolist() == [0, 1]
    assert one.masks.flatten(1).sum(1).tolist() == [24, 32]
    assert int(one.counted.sum()) == 56


def test_the_table_counts_units_by_kind():
    data, concepts = colourful()
    rows = layers_of(label_units(built(reader((1, 0, 0), (0, 0, 0))), data, ["0", "1"], concepts=concepts), net="r")
    assert [(row.net, row.site, row.units, row.labelled.value) for row in rows] == [
        ("r", "0", 2, 0.5),
        ("r", "1", 2, 0.5),
    ]
    assert rows[0].unique[rows[0].kinds.index("object")] == 1
    labels = label_units(built(reader((1, 0, 0))), data, "0", concepts=concepts)
    assert [layers_of(labels, least=least)[0].labelled.value for least in (0.04, 1.0)] == [1.0, 0.0]


def test_data_without_masks_wrong_units_and_sites_are_refused(net, photos):
    data = Dataset.of(photos, [0, 1, 2, 3])
    with pytest.raises(StriateError, match="no masks"):
        label_units(net, data, "conv2")
    given = Given(torch.ones(4, 1, 16, 16, dtype=torch.bool))
    with pytest.raises(StriateError, match="unit 99"):
        label_units(net, data, "conv2", concepts=given, units=[99])
    with pytest.raises(UnknownNameError):
        label_units(net, data, "conv9", concepts=given)
    with pytest.raises(StriateError, match="at least 2 images"):
        label_units(net, data.limit(1), "conv2", concepts=given)
    whole = concepts_of(data, image_level="scene")
    assert set(whole.kinds) == {"scene"}
    assert bool(next(iter(whole.marked([2]))).masks.all())
