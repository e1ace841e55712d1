from __future__ import annotations

import torch

from striate.data.dataset import Dataset
from striate.training.feed import Feed, transforms
from striate.training.recipe import Augment
from training.tiny import tiny_split

CPU = torch.device("cpu")


def by_id(feed, epoch):
    """What each image looks like in an epoch."""
    return {
        int(each): image for batch in feed.shuffled(epoch) for each, image in zip(batch.ids, batch.images, strict=True)
    }


def test_an_epoch_is_a_function_of_seed_and_number():
    data, how = tiny_split("train", 48), Augment(mirror=0.5, shift=2)
    first = by_id(Feed(data, 16, 0, CPU, augment=how), 2)
    again = by_id(Feed(data, 16, 0, CPU, augment=how), 2)
    assert list(first) == list(again)
    assert all(torch.equal(first[each], again[each]) for each in first)
    assert list(first) != list(by_id(Feed(data, 16, 0, CPU, augment=how), 3))
    assert list(first) != list(by_id(Feed(data, 16, 1, CPU, augment=how), 2))


def test_images_change_anew_in_every_epoch_and_alike_in_every_batch_size():
    data, how = tiny_split("train", 48), Augment(mirror=0.5, shift=2)
    first, second = (by_id(Feed(data, 16, 0, CPU, augment=how), epoch) for epoch in range(2))
    assert sum(not torch.equal(first[each], second[each]) for each in first) > 30
    other = by_id(Feed(data, 12, 0, CPU, augment=how), 0)
    assert all(torch.equal(first[each], other[each]) for each in first)


def test_without_augmentation_and_on_dev_the_images_are_as_they_are():
    data = tiny_split("dev", 20, seed=0)
    feed = Feed(data, 8, 0, CPU, augment=Augment(mirror=1.0))
    plain = list(feed.plain())
    assert torch.equal(torch.cat([batch.images for batch in plain]), data.images())
    assert torch.equal(torch.cat([batch.labels for batch in plain]), data.labels)
    mirrored = by_id(feed, 0)
    assert all(torch.equal(image, data.images([each])[0].flip(2)) for each, image in mirrored.items())
    assert all(torch.equal(image, data.images([each])[0]) for each, image in by_id(Feed(data, 8, 0, CPU), 0).items())


def test_labels_and_rows_belong_to_the_images():
    data = tiny_split("train", 40)
    for batch in Feed(data, 16, 0, CPU).shuffled(0):
        assert torch.equal(batch.images, data.images(batch.rows))
        assert torch.equal(batch.labels, data.labels[batch.rows])
        assert torch.equal(batch.ids, data.ids[batch.rows])
        assert len(batch.rows) == 16


def test_images_lie_in_the_format_that_is_asked_for():
    pixels = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    data = Dataset.of(pixels, [0, 1] * 3, classes=("a", "b"))
    for name, layout in (("channels_last", torch.channels_last), ("contiguous", torch.contiguous_format)):
        for batch in Feed(data, 4, 0, CPU, memory_format=name, augment=Augment(shift=1)).shuffled(0):
            assert batch.images.is_contiguous(memory_format=layout)


def test_named_transforms_follow_shift_and_mirror_and_hang_on_the_image():
    data, how = tiny_split("train", 48), Augment(mirror=0.5, shift=2, transforms=("trivial_augment", "cutout"))
    changes = transforms(how)
    assert [type(each).__name__ for each in changes] == ["RandomCrop", "RandomFlip", "TrivialAugment", "Cutout"]
    first, other = by_id(Feed(data, 16, 0, CPU, augment=how), 1), by_id(Feed(data, 12, 0, CPU, augment=how), 1)
    assert all(torch.allclose(first[each], other[each], atol=1e-6) for each in first)
    plain = by_id(Feed(data, 16, 0, CPU, augment=Augment(mirror=0.5, shift=2)), 1)
    assert list(first) == list(plain)
    assert sum(not torch.equal(first[each], plain[each]) for each in first) > 30


def test_a_mixer_gives_shares_of_classes_that_follow_the_pixels():
    data = tiny_split("train", 48)
    feed = Feed(data, 16, 0, CPU, augment=Augment(mixer="cutmix"))
    for batch, plain in zip(feed.shuffled(2), Feed(data, 16, 0, CPU).shuffled(2), strict=True):
        assert torch.equal(batch.ids, plain.ids)
        assert batch.labels.shape == (16, 3)
        assert torch.allclose(batch.labels.sum(1), torch.ones(16))
        changed = (batch.images != plain.images).flatten(1).float().mean(1)
        pasted = 1.0 - batch.labels.gather(1, plain.labels[:, None])[:, 0]  # 0 where the partner has the same class
        assert bool((changed <= pasted + 1e-6)[pasted > 0].all())
    again = next(iter(feed.shuffled(2)))
    assert torch.equal(again.labels, next(iter(feed.shuffled(2))).labels)
    assert all(batch.labels.dim() == 1 for batch in feed.plain())


def test_mixers_draw_anew_in_every_epoch():
    data, areas = tiny_split("train", 48), []
    for epoch in range(2):
        mixed, plain = by_id(Feed(data, 16, 0, CPU, augment=Augment(mixer="cutmix")), epoch), data.images()
        areas.append({each: float((image != plain[each]).float().mean()) for each, image in mixed.items()})
    assert sum(abs(areas[0][each] - areas[1][each]) > 0.1 for each in areas[0]) > 20
