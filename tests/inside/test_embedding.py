"""Codes, neighbours, projections, probes, similarity, trees, invariance: against slow loops and exact properties."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from oracles import inside_embedding as oracle
from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.core.number import Number
from striate.data.dataset import Dataset
from striate.inside.embedding.classes import class_tree
from striate.inside.embedding.codes import codes_of, codes_of_images, shrunk
from striate.inside.embedding.embed import Beside, Given, Wish, embed_split
from striate.inside.embedding.findings import embedding_findings
from striate.inside.embedding.invariance import Sweep, invariance, scaled, shifted, turned
from striate.inside.embedding.layers import code_layer, depth_of, find_layer, spread_layers
from striate.inside.embedding.probing import Labelled, fit_ridges, folds_of, linear_probe, nearest_probe
from striate.inside.embedding.projection import METHODS, kept_neighbours, principal_axes, project
from striate.inside.embedding.similarity import cka, debiased_cka, svcca
from striate.measure.nearest import agreement, compare_agreement, nearest
from striate.nets.load import load_net
from striate.nets.net import Net

QUICK = Wish(projection="pca", neighbours=2, queries=2)


def drawn(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def blobs(seed=0, each=12, width=5, classes=3, apart=6.0):
    """Codes in well separated clusters, one a class, in turns."""
    centres = apart * drawn(seed, classes, width)
    labels = torch.arange(each * classes) % classes
    return (centres[labels] + drawn(seed + 1, each * classes, width)).float(), labels


@pytest.fixture
def data(photos):
    """Twenty-four images of three classes: four photographs with noise."""
    noisy = (photos.repeat(6, 1, 1, 1) + 0.05 * drawn(5, 24, 3, 16, 16).float()).clamp(0, 1)
    return Dataset.of(noisy, torch.arange(24) % 4 % 3, classes=("a", "b", "c"), name="noisy")


# --- layers and codes


def test_the_code_is_what_the_last_linear_layer_takes_in(net):
    assert find_layer(net, (16, 16), code_layer(net, (16, 16))).shape in {(12,), (12, 1, 1)}
    squeezed = Net(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(6, 4, 1), nn.AvgPool2d(14),
                                 nn.Flatten()), size=16)  # fmt: skip
    assert code_layer(squeezed, (16, 16)) == "1"


def test_a_net_of_one_layer_has_no_code_but_its_output():
    with pytest.raises(StriateError, match="pixels"):
        code_layer(load_net("striate/linear.random"), (28, 28))


def test_layers_spread_over_the_depth_end_with_the_code(net):
    code = code_layer(net, (16, 16))
    layers = spread_layers(net, (16, 16), code)
    depths = [depth_of(net, (16, 16), each) for each in layers]
    assert layers[-1] == code
    assert depths == sorted(set(depths))
    deep = load_net("striate/resnet20.random")
    assert len(spread_layers(deep, (32, 32), code_layer(deep, (32, 32)))) == 6


def test_a_code_is_the_mean_of_the_maps_and_tokens_over_their_places(net, photos):
    codes = codes_of_images(net, photos, ["conv1", "head"])
    with net.look(read=["conv1", "head"]) as see, torch.no_grad():
        seen = see(photos)
    assert torch.allclose(codes.of["conv1"], seen["conv1"].mean((2, 3)), atol=1e-6)
    assert torch.allclose(codes.of["head"], seen["head"], atol=1e-6)
    assert torch.equal(codes.of["input"], photos.flatten(1))


def test_the_code_of_an_image_hangs_on_it_alone_and_the_memory_changes_nothing(net, data):
    whole = codes_of(net, data, ["conv2"]).of["conv2"]
    small = codes_of(net, data, ["conv2"], memory=1).of["conv2"]
    turned_round = codes_of(net, data.take(torch.arange(23, -1, -1)), ["conv2"]).of["conv2"].flip(0)
    for other in (small, turned_round):
        assert (whole - other).abs().max() <= 1e-5 * whole.abs().max()


def test_the_net_is_left_as_found(net, data):
    net.train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    codes_of(net, data, ["conv2"])
    assert all(module.training for module in net.modules())
    assert all(each.equal(before[name]) for name, each in net.state_dict().items())


def test_pixels_are_averaged_in_whole_squares():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert shrunk(image, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert shrunk(image, 4) is image


def test_a_classifier_that_picks_the_class_token_has_that_token_for_its_code():
    net = load_net("timm/vit_tiny_patch16_224.random")
    images = drawn(31, 2, 3, 224, 224).float().sigmoid()
    code = code_layer(net, (224, 224))
    codes = codes_of_images(net, images, [code, "norm"]).of
    with torch.no_grad():
        assert torch.allclose(net.module.head(codes[code]), net(images), atol=1e-5)
    assert code == "norm[0]"
    assert not torch.allclose(codes["norm"], codes[code], atol=1e-2)
    with pytest.raises(StriateError, match="one of them"):
        codes_of_images(net, images, ["norm[197]"])


# --- neighbours


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_brute_force(metric):
    codes = drawn(1, 40, 6)
    rows, far = nearest(codes, codes, 5, metric=metric, own=torch.arange(40))
    assert rows.tolist() == oracle.neighbours(codes.numpy(), 5, metric).tolist()
    table = oracle.distances(codes.numpy(), codes.numpy(), metric)
    assert np.abs(far.numpy() - np.take_along_axis(table, rows.numpy(), 1)).max() < 1e-7


def test_neighbours_far_from_the_origin_and_of_a_query_alone_are_the_same():
    codes = (drawn(2, 60, 4) + 1000).float()
    together = nearest(codes, codes, 3, own=torch.arange(60))[0]
    assert together.tolist() == oracle.neighbours(codes.double().numpy(), 3, "euclidean").tolist()
    alone = [nearest(codes[i : i + 1], codes, 3, own=torch.tensor([i]))[0][0].tolist() for i in range(60)]
    assert together.tolist() == alone


def test_equal_images_are_neighbours_in_the_order_of_their_rows():
    codes = torch.zeros(6, 3)
    assert nearest(codes, codes, 3, own=torch.arange(6))[0][4].tolist() == [0, 1, 2]
    assert nearest(codes, codes, 2, metric="cosine", own=torch.arange(6))[1].unique().tolist() == [1.0]


def test_fewer_images_than_neighbours_is_an_error(net, data):
    with pytest.raises(StriateError, match="6 neighbours among 5"):
        nearest(torch.zeros(6, 2), torch.zeros(6, 2), 6, own=torch.arange(6))
    with pytest.raises(StriateError, match="at least 7"):
        embed_split(net, data.limit(6), wish=Wish())
    with pytest.raises(StriateError, match="metric"):
        nearest(torch.zeros(6, 2), torch.zeros(6, 2), 1, metric="taxicab")


def test_agreement_counts_neighbours_with_the_same_label_and_chance_is_counted():
    labels = torch.tensor([0, 0, 1, 1])
    near = torch.tensor([[1, 2], [0, 3], [3, 0], [0, 1]])
    assert agreement(labels, near).tolist() == [0.5, 0.5, 0.5, 0.0]
    found = compare_agreement(labels, near, near, seed=0)
    assert found.chance.value == pytest.approx(4 / 12)
    assert found.code_first.value == 0.75
    assert found.difference.value == 0


# --- projections


def test_principal_axes_are_those_of_the_covariance():
    codes = drawn(3, 30, 7) @ drawn(4, 7, 7)
    places, shares = principal_axes(codes, 2)
    wanted, held = oracle.principal_axes(codes.numpy(), 2)
    assert np.allclose(np.abs(places.numpy()), np.abs(wanted), atol=1e-9)
    assert np.allclose(shares.numpy(), held)


def test_codes_without_variance_lie_at_zero():
    places, shares = principal_axes(torch.ones(5, 3), 2)
    assert not places.any()
    assert not shares.any()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_plane_keeps_clusters_apart_and_is_the_same_for_a_seed(method):
    codes, labels = blobs()
    first, again = (project(codes, method, seed=3).places for _ in range(2))
    assert torch.equal(first, again)
    near = nearest(first, first, 3, own=torch.arange(36))[0]
    assert float(agreement(labels, near).mean()) > 0.9
    assert float(kept_neighbours(codes, first, 3)) > 0.8


def test_a_plane_that_is_the_codes_keeps_every_neighbour():
    codes = drawn(6, 30, 2)
    assert float(kept_neighbours(codes, codes, 4)) == 1.0
    assert "too few" in kept_neighbours(codes[:8], codes[:8], 4).why


def test_umap_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(StriateError, match=r"striate\[umap\]"):
        project(drawn(0, 10, 3), "umap")
    with pytest.raises(StriateError, match="pca, tsne, umap"):
        project(drawn(0, 10, 3), "isomap")
    assert all(cite(key) for keys in METHODS.values() for key in keys)


# --- probes


@pytest.mark.parametrize("width", [4, 60])  # fewer and more numbers than images
def test_ridge_is_that_of_the_normal_equations(width):
    codes, labels = drawn(7, 30, width), torch.arange(30) % 3
    new = drawn(8, 5, width)
    for made in fit_ridges(Labelled(codes, labels), 3, (0.01, 1.0)):
        wanted = oracle.ridge(codes.numpy(), labels.numpy(), 3, made.penalty)(new.numpy())
        assert np.allclose(made(new).numpy(), wanted, atol=1e-9)


def test_probes_tell_clusters_apart_and_a_constant_column_does_no_harm():
    codes, labels = blobs(each=20)
    codes = torch.cat([codes, torch.full((60, 1), 7.0)], 1)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    fit, choose, test = (Labelled(codes[rows], labels[rows]) for rows in order.split(20))
    made = linear_probe(fit, choose, test, classes=3)
    assert made.right.all()
    assert made.chosen == 20
    assert nearest_probe(fit, test, 3, classes=3).all()


def test_of_equal_votes_the_nearest_decides():
    fit = Labelled(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([1, 0, 0, 1]))
    test = Labelled(torch.tensor([[-1.0]]), torch.tensor([1]))
    assert nearest_probe(fit, test, 4, classes=2).tolist() == [True]
    assert nearest_probe(fit, test, 3, classes=2).tolist() == [False]


def test_folds_keep_classes_in_proportion_and_hang_on_the_seed():
    labels = torch.tensor([0] * 50 + [1] * 10)
    folds = folds_of(labels, seed=0)
    assert torch.bincount(folds[labels == 0]).tolist() == [10] * 5
    assert torch.bincount(folds[labels == 1]).tolist() == [2] * 5
    assert not torch.equal(folds, folds_of(labels, seed=1))
    with pytest.raises(StriateError, match="at least 5"):
        folds_of(labels[:4], seed=0)


# --- similarity


@pytest.mark.parametrize("width", [4, 40])
def test_cka_is_that_of_doubly_centred_grams(width):
    x, y = drawn(9, 20, width), drawn(10, 20, 6)
    y = y + x[:, :1]
    assert float(cka(x, y)) == pytest.approx(oracle.cka(x.numpy(), y.numpy()), abs=1e-12)


def test_debiased_cka_is_the_mean_over_quadruples():
    x, y = drawn(11, 8, 3), drawn(12, 8, 5)
    y = y + x[:, :1]
    own = [oracle.hsic_unbiased(each.numpy(), other.numpy()) for each, other in ((x, y), (x, x), (y, y))]
    assert float(debiased_cka(x, y)) == pytest.approx(own[0] / (own[1] * own[2]) ** 0.5, abs=1e-10)


def test_cka_stays_under_rotation_scaling_and_a_shift_and_is_one_for_itself():
    x, y = drawn(13, 30, 6), drawn(14, 30, 5)
    turn = torch.linalg.qr(drawn(15, 6, 6))[0]
    for measure in (cka, debiased_cka):
        assert float(measure(x, x)) == pytest.approx(1, abs=1e-12)
        assert float(measure(3 * x @ turn + 5, y)) == pytest.approx(float(measure(x, y)), abs=1e-10)
        assert float(measure(x, y)) == pytest.approx(float(measure(y, x)), abs=1e-12)


def test_only_the_debiased_cka_of_independent_codes_is_near_zero():
    x, y = drawn(16, 60, 300), drawn(17, 60, 300)
    assert float(cka(x, y)) > 0.5
    assert abs(float(debiased_cka(x, y))) < 0.1


@pytest.mark.parametrize("keep", [0.9, 1.0])
def test_svcca_is_that_of_a_cut_and_two_bases(keep):
    x, y = drawn(18, 80, 6), drawn(19, 80, 4)
    y = y + x[:, :4]
    assert float(svcca(x, y, keep=keep)) == pytest.approx(oracle.svcca(x.numpy(), y.numpy(), keep), abs=1e-10)


def test_svcca_stays_under_invertible_maps_where_all_variance_is_kept():
    x, y = drawn(20, 80, 5), drawn(21, 80, 7)
    assert float(svcca(x @ drawn(22, 5, 5), x, keep=1.0)) == pytest.approx(1, abs=1e-9)
    mapped = float(svcca(x @ drawn(22, 5, 5) + 1, y, keep=1.0))
    assert mapped == pytest.approx(float(svcca(x, y, keep=1.0)), abs=1e-9)


def test_measures_that_have_no_answer_say_why():
    x = drawn(23, 20, 6)
    assert "with so few" in svcca(x, x, keep=1.0).why
    assert "without variance" in cka(torch.ones(20, 3), x).why
    assert "without variance" in svcca(torch.ones(40, 3), drawn(0, 40, 3)).why
    assert "fewer than 4" in debiased_cka(x[:3], x[:3]).why
    with pytest.raises(StriateError, match="same images"):
        cka(x, x[:5])
    with pytest.raises(StriateError, match="keep"):
        svcca(x, x, keep=0)


# --- tree


def test_the_tree_of_four_classes_has_the_heights_of_average_linkage():
    codes = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
    tree = class_tree(codes, torch.arange(4), ("p", "q", "r", "s"))
    assert [merge.distance for merge in tree.merges] == [1.0, 4.0, 6.5]  # 6.5 is the mean of 5, 9, 4, 8
    assert {tree.merges[0].a, tree.merges[0].b} == {0, 1}
    tops, apart = [1, 6.5, 6.5, 6.5, 6.5, 4], [1, 5, 9, 4, 8, 4]
    assert float(tree.cophenetic) == pytest.approx(float(np.corrcoef(tops, apart)[0, 1]))
    assert sorted(tree.order) == [0, 1, 2, 3]


def test_a_tree_is_of_class_means_and_needs_three_classes():
    codes, labels = blobs(classes=4)
    tree = class_tree(codes, labels, ("a", "b", "c", "d"), metric="cosine")
    assert tree.counts == (12, 12, 12, 12)
    assert class_tree(codes[:2], torch.tensor([0, 1]), ("a", "b")) is None


# --- invariance


def test_a_distance_is_that_to_the_moved_image_over_that_between_images(net, photos):
    found = invariance(net, photos, ["conv1"], sweeps=[Sweep("shift", "", (0.0, 0.25), shifted)])
    curve = found.curves[0]
    moved = torch.cat([photos[:, :, :1].expand(-1, -1, 4, -1), photos[:, :, :-4]], 2)
    with net.look(read=["conv1"]) as see, torch.no_grad():
        first, second = (see(each)["conv1"].flatten(1).double() for each in (photos, moved))
    pairs = torch.pdist(first).square().mean().sqrt()
    wanted = (second - first).norm(dim=1).mean() / pairs
    assert [layer.layer for layer in curve.layers] == ["input", "conv1"]
    assert float(curve.layers[1].distances[1]) == pytest.approx(float(wanted), rel=1e-5)
    assert float(curve.layers[1].distances[0]) == 0
    with torch.no_grad():
        sure = net.eval()(photos).softmax(1).amax(1).mean()
    assert float(curve.probability[0]) == pytest.approx(float(sure), rel=1e-5)


def test_transforms_leave_the_image_at_their_first_amount_and_keep_its_middle(photos):
    odd = nn.functional.interpolate(photos, size=(17, 17))
    for move, still in ((shifted, 0.0), (scaled, 1.0), (turned, 0.0)):
        assert torch.equal(move(photos, still), photos)
    for moved in (scaled(odd, 1.5), turned(odd, 90)):
        assert torch.allclose(moved[:, :, 8, 8], odd[:, :, 8, 8], atol=1e-5)
    assert torch.allclose(turned(odd, 90), odd.rot90(1, (2, 3)), atol=1e-5)


def test_invariance_needs_two_different_images(net, photos):
    with pytest.raises(StriateError, match="at least 2"):
        invariance(net, photos[:1], ["conv1"])
    with pytest.raises(StriateError, match="alike"):
        invariance(net, photos[:1].repeat(3, 1, 1, 1), ["conv1"])


# --- the whole


def test_all_of_it_at_once(net, data):
    other = Beside("other", load_net("striate/small.random", channels=3, size=16), data)
    wish = Wish(projection="pca", neighbours=3, queries=2, invariance=True)
    result, album, arrays = embed_split(net, data, wish=wish, train=data, dev=data, beside=[other])
    assert result.width == 12
    assert result.probes.rows[0].layer == "input"
    assert "fitted on 24 images of train" in result.probes.how
    assert {name.partition(":")[0] for name in result.similarity.names} == {"small", "other"}
    assert len(result.tree.names) == 3
    assert [curve.transform for curve in result.invariance.curves] == ["shift", "scale", "rotation"]
    shown = {query.picture for query in result.neighbours.queries} | {result.projection.picture}
    shown |= {near.picture for query in result.neighbours.queries for near in (*query.by_code, *query.by_pixels)}
    assert shown == set(album)
    assert arrays["codes.npz"].shape == (24, 12)
    again = embed_split(net, data, wish=wish, train=data, dev=data, beside=[other])[0]
    assert again == result


def test_without_another_split_probes_are_measured_in_folds(net, data):
    result = embed_split(net, data, wish=QUICK)[0]
    assert "5 folds of the 24" in result.probes.how
    assert result.probes.rows[-1].linear.n == 24


def test_unlabelled_images_keep_neighbours_and_plane(net, data):
    bare = Dataset.of(data.images(), torch.zeros(24), classes=("all",))
    bare = type(bare)(**{**bare.__dict__, "task": "none"})
    result = embed_split(net, bare, wish=QUICK)[0]
    assert result.neighbours.code_agreement.why == "the images have no labels"
    assert result.projection is not None
    assert result.probes is None
    assert "no labels" in result.left_out[0]


def test_one_class_alone_is_not_probed(net, data):
    alone = Dataset.of(data.images(), torch.zeros(24), classes=("all",))
    result = embed_split(net, alone, wish=QUICK)[0]
    assert result.probes is None
    assert "two classes" in result.left_out[0]
    assert result.neighbours.code_agreement.value == 1


def test_images_that_are_given_are_looked_up(net, data):
    result, album, _ = embed_split(net, data, wish=QUICK, given=Given(["mine"], data.images([7])))
    query = result.neighbours.queries[0]
    assert (query.row, query.label, query.by_code[0].row) == (-1, -1, 7)
    assert query.by_pixels[0].distance == 0
    assert query.picture in album


def test_an_unknown_layer_names_the_nearest(net, data):
    with pytest.raises(UnknownNameError, match="conv2"):
        embed_split(net, data, wish=Wish(layers=("conv3",)))


def test_findings_say_where_codes_are_no_better_than_pixels(net):
    noise = Dataset.of(drawn(30, 200, 3, 16, 16).float().sigmoid(), torch.arange(200) % 2, classes=("a", "b"))
    result = embed_split(net, noise, wish=QUICK)[0]
    found = {each.check: each for each in embedding_findings(result, net="NET", data="DATA")}
    assert {"code-neighbours", "probe-pixels"} <= set(found)
    assert "by pixels" in found["code-neighbours"].seen
    clear = replace(result.neighbours, difference=Number(0.4, 0.3, 0.5, 40))
    quiet = embedding_findings(replace(result, neighbours=clear, probes=None), net="NET", data="DATA")
    assert quiet == ()
