"""explain: whose map it is, what it gives back, and the mistakes it refuses."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image
from torch import nn

from striate.core.codec import dumps, from_json, to_json
from striate.core.errors import StriateError, UnknownNameError
from striate.inside.explain import explain
from striate.inside.payload import Explanation
from striate.nets.net import Net

NAMES = ["a.png", "folder/b c.jpg", "a.jpeg", "d (cat)"]


def test_no_target_means_the_predicted_class_of_each_image(net, photos):
    result, _, values = explain(net, photos, NAMES, methods=["gradient"])
    logits = net(photos).detach()
    assert [row.target for row in result.maps] == logits.argmax(1).tolist()
    assert [row.predicted for row in result.maps] == logits.argmax(1).tolist()
    assert [row.score for row in result.maps] == pytest.approx(logits.amax(1).tolist(), abs=1e-5)
    assert [row.probability for row in result.maps] == pytest.approx(logits.softmax(1).amax(1).tolist(), abs=1e-6)
    assert [row.target_name for row in result.maps] == [net.classes[row.target] for row in result.maps]
    assert all(values[row.file].abs().max() > 0 for row in result.maps)


def test_every_image_has_every_method_with_pictures_values_and_passes(net, photos):
    methods = ["occlusion", "grad_cam", "gradient"]
    result, album, values = explain(net, photos, NAMES, methods=methods)
    assert [(row.image, row.method) for row in result.maps] == [(name, each) for name in NAMES for each in methods]
    for row in result.maps:
        assert Image.open(io.BytesIO(album[row.picture])).size == (258, 128)
        assert Image.open(io.BytesIO(album[row.input_picture])).size == (128, 128)
        assert values[row.file].shape == ((3, 16, 16) if row.method == "gradient" else (16, 16))
        assert row.limits[1] > 0
        assert row.limits[0] == (-row.limits[1] if row.signed else 0)
        assert row.check.holds
        assert row.passes == {"gradient": 8, "grad_cam": 8, "occlusion": 229}[row.method]
        assert row.layer == ("relu#1" if row.method == "grad_cam" else "")
    assert len(album) == 4 + 12
    assert len(values) == 12


def test_names_become_file_names_no_two_alike(net, photos):
    result, _, _ = explain(net, photos, NAMES, methods=["gradient"])
    assert [row.input_picture for row in result.maps] == ["a.png", "b-c.png", "a-2.png", "d-cat.png"]
    assert result.maps[1].file == "b-c-gradient.npz"


def test_the_payload_goes_through_json_and_back(net, photos):
    result, _, _ = explain(net, photos, NAMES, methods=["gradient", "occlusion"])
    assert dumps(result)
    assert from_json(to_json(result), Explanation) == result


def test_without_values_rows_name_no_file(net, photos):
    result, _, values = explain(net, photos, NAMES, methods=["gradient"], keep_values=False)
    assert not values
    assert {row.file for row in result.maps} == {""}


def test_targets_are_class_names_or_numbers(net, photos):
    result, _, _ = explain(net, photos, NAMES, methods=["gradient"], targets=["cat", 4, "0", "ant"])
    assert [row.target for row in result.maps] == [2, 4, 0, 0]


def test_a_class_name_that_is_a_number_is_taken_as_a_name(photos):
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    result, _, _ = explain(
        Net(module, channels=3, classes=("2", "1", "0")), photos[:1], ["x"], methods=["gradient"], targets=["2"]
    )
    assert result.maps[0].target == 0


def test_one_target_for_several_images_only_when_said(net, photos):
    with pytest.raises(StriateError, match=r"1 target for 4 images.*same_target=True"):
        explain(net, photos, NAMES, methods=["gradient"], targets=[2])
    result, _, _ = explain(net, photos, NAMES, methods=["gradient"], targets=2, same_target=True)
    assert [row.target for row in result.maps] == [2] * 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": [0, 1]}, "2 targets for 4 images"),
        ({"targets": [0, 1, 2, 12345]}, "class 12345 is out of range.*0 to 4"),
        ({"targets": [0, 1, 2, -1]}, "class -1 is out of range"),
        ({"targets": ["bea", 0, 0, 0]}, "'bea'.*bee"),
        ({"methods": ["gradeint"]}, "'gradeint'.*gradient"),
        ({"methods": []}, "no method"),
        ({"methods": ["gradient"], "patch": 3}, "patch is 3.*gradient.*occlusion"),
        ({"methods": ["gradient", "occlusion"], "layer": "conv1"}, "layer is 'conv1'.*grad_cam"),
        ({"methods": ["grad_cam"], "layer": "nowhere"}, "'nowhere'"),
    ],
)
def test_what_cannot_be_is_said_with_what_can(options, said, net, photos):
    with pytest.raises(StriateError, match=said):
        explain(net, photos, NAMES, **{"methods": ["gradient"], **options})


def test_names_that_do_not_fit_the_images_are_refused(net, photos):
    with pytest.raises(StriateError, match="3 names for 4 images"):
        explain(net, photos, NAMES[:3], methods=["gradient"])
    with pytest.raises(StriateError, match="0 names for 0 images"):
        explain(net, photos[:0], [], methods=["gradient"])


def test_an_ambiguous_class_name_asks_for_a_number(photos):
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), channels=3, classes=("crane", "car", "crane"))
    with pytest.raises(StriateError, match=r"'crane' is the name of 2 classes.*0, 2"):
        explain(net, photos[:1], ["x"], methods=["gradient"], targets="crane")


def test_an_option_goes_to_the_methods_that_have_it(net, photos):
    result, _, _ = explain(net, photos, NAMES, methods=["gradient", "occlusion", "grad_cam"], patch=8, layer="conv2")
    rows = {row.method: row for row in result.maps}
    assert "patch 8" in rows["occlusion"].units
    assert rows["grad_cam"].layer == "conv2"


def test_scores_that_are_not_finite_name_the_image(net, photos):
    broken = photos.clone()
    broken[2, 0, 5, 5] = float("nan")
    with pytest.raises(StriateError, match=r"a\.jpeg.*not finite"):
        explain(net, broken, NAMES, methods=["gradient"])


def test_a_net_that_gives_no_class_scores_is_refused(photos):
    net = Net(nn.Conv2d(3, 2, 3), outputs="other")
    with pytest.raises(StriateError, match="classifier"):
        explain(net, photos, NAMES, methods=["gradient"])


def test_an_unknown_method_is_an_unknown_name(net, photos):
    with pytest.raises(UnknownNameError):
        explain(net, photos, NAMES, methods=["grad-cam"])


def test_wrong_images_get_the_nets_own_error(net):
    with pytest.raises(StriateError, match=r"\(1, 1, 16, 16\)"):
        explain(net, torch.zeros(1, 1, 16, 16), ["x"], methods=["gradient"])
