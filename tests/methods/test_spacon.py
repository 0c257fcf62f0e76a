from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.core.errors import StmlError
from napari_stml.methods.spacon import partition, planes, second_views
from napari_stml.methods.spacon.blend import alpha_of, share, standardised
from napari_stml.methods.spacon.connection_graph import Rules, Strengths, links_of, strong
from napari_stml.methods.spacon.parcels import expand
from napari_stml.methods.spacon.refine import refined
from napari_stml.methods.spacon.sampling import Sampler
from napari_stml.methods.spacon.tissue_graph import Reach, alone, on_tissue

RNG = np.random.default_rng(0)


def last(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_spot_sends_to_those_it_lists() -> None:
    line = np.array([[0.0, 0], [1, 0], [3, 0]])
    links = on_tissue(line, Reach("nearest", 1)).toarray()
    np.testing.assert_array_equal(links, [[1, 1, 0], [1, 1, 0], [0, 1, 1]])


def test_equal_places_may_lose_themselves_but_no_spot_is_lost() -> None:
    xy = np.repeat([[0.0, 0], [5, 5]], 4, axis=0)
    links = on_tissue(xy, Reach("nearest", 2))
    assert links.shape == (8, 8)
    assert (links.diagonal() == 1).all()
    assert set(np.diff(links.indptr)) <= {3, 4}


def test_lonely_spots_are_known() -> None:
    xy = np.array([[0.0, 0], [1, 0], [90, 90]])
    links = on_tissue(xy, Reach("radius", radius=2))
    np.testing.assert_array_equal(alone(links), [2])


def test_sections_that_are_not_there_are_said() -> None:
    section = np.array(["a", "a", "b", "b"], dtype=object)
    with pytest.raises(StmlError, match="no section 'c'"):
        on_tissue(RNG.random((4, 2)), Reach(), section=section, order=("a", "c"))


@pytest.mark.parametrize("n", [0, 1])
def test_one_spot_is_no_graph(n: int) -> None:
    with pytest.raises(StmlError, match="two spots"):
        on_tissue(np.zeros((n, 2)), Reach())


def test_planes_leave_out_one_axis() -> None:
    xyz = np.array([[1.0, 2, 3], [1.5, 2, 3], [1.0, 4, 4]])
    np.testing.assert_array_equal(planes.in_plane(xyz, "coronal"), xyz[:, [1, 2]])
    np.testing.assert_array_equal(planes.in_plane(xyz, "sagittal"), xyz[:, [0, 1]])
    assert planes.levels(xyz, "coronal").tolist() == ["1", "2", "1"]
    np.testing.assert_array_equal(planes.in_plane(xyz, "xy"), xyz[:, :2])
    assert planes.levels(xyz, "xy").tolist() == ["1", "1", "2"]


def test_far_links_are_boosted() -> None:
    xy = np.array([[0.0, 0], [10, 0], [1000, 0]])
    even = np.ones((3, 3))
    kept = strong(Strengths(even), Rules(decay=0.006), xy).toarray()
    assert kept[0, 2] > kept[0, 1] > kept[0, 0] == 1


@pytest.mark.parametrize(
    ("matrix", "n", "said"),
    [(np.ones((3, 4)), 3, "as many columns as rows"), (np.ones((3, 3)), 4, "for 3 spots")],
)
def test_matrices_that_do_not_fit(matrix: Any, n: int, said: str) -> None:
    with pytest.raises(StmlError, match=said):
        Strengths(matrix, n)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_missing_strengths_are_said(kind: Any) -> None:
    broken = np.ones((3, 3))
    broken[1, 2] = np.nan
    with pytest.raises(StmlError, match="not numbers"):
        links_of(Strengths(kind(broken)), Rules())


def test_rows_of_zeros_keep_themselves() -> None:
    links = links_of(Strengths(np.zeros((3, 3))), Rules())
    np.testing.assert_array_equal(links.toarray(), np.eye(3))


def test_parcels_are_spread_over_their_spots() -> None:
    between = np.array([[1.0, 0.5], [0.2, 1.0]])
    expanded, unmatched = expand(between, ["b", "a", "b", "x", None], names=("a", "b"))
    assert unmatched == ("x",)
    links = strong(Strengths(expanded), Rules(threshold=0.3)).toarray()
    np.testing.assert_allclose(links[0], [1, 0, 1, 0, 0])
    np.testing.assert_allclose(links[1], [0.5, 1, 0.5, 0, 0])
    assert not links[3:].any()
    numbered, _ = expand(between, np.array([1.0, 0.0, np.nan, -1.0]))
    np.testing.assert_array_equal(numbered.parcel, [1, 0, -1, -1])
    with pytest.raises(StmlError, match="No spot belongs"):
        expand(between, ["p", "q"])


def test_alike_spots_are_linked() -> None:
    points = np.r_[RNG.normal(0, 0.1, (20, 3)), RNG.normal(5, 0.1, (20, 3))]
    links = last(second_views.alike(points, 5)).toarray() > 0
    assert not links[:20, 20:].any()
    assert (links.sum(axis=1) >= 5).all()


def test_signals_go_from_ligand_to_receptor() -> None:
    genes = ("CXCL12", "CXCR4", "ACTB")
    log = csr_matrix(np.array([[2.0, 0, 1], [0, 3, 1], [0, 1, 1], [0, 0, 1]]))
    links, pairs = second_views.signalling(log, genes, 1)
    assert pairs == (("CXCL12", "CXCR4"),)
    assert links.toarray().nonzero() == (0, 1)
    with pytest.raises(StmlError, match="ligand"):
        second_views.signalling(log, ("A", "B", "C"), 1)


def test_drawn_links_exist_and_none_twice() -> None:
    links = csr_matrix((RNG.random((300, 300)) < 0.2).astype(np.float32))
    sampler = Sampler(links, 1, batch=32, fanout=(5, 3))
    seen: list[int] = []
    for batch in sampler.batches():
        seen += batch.nodes[: batch.seeds].tolist()
        assert len(set(batch.nodes.tolist())) == len(batch.nodes)
        pairs = set(zip(batch.source.tolist(), batch.target.tolist(), strict=True))
        assert len(pairs) == len(batch.source)
        there = np.asarray(links[batch.nodes[batch.source], batch.nodes[batch.target]])
        assert (there == 1).all()
        received = np.bincount(batch.target, minlength=len(batch.nodes))
        assert received[: batch.seeds].max() <= 5
        assert received[batch.seeds :].max() <= 3
    assert seen == list(range(300))


def test_every_sender_is_drawn_alike() -> None:
    links = csr_matrix(np.ones((30, 30), dtype=np.float32))
    sampler = Sampler(links, 2, batch=30, fanout=(6,))
    count = np.zeros(30)
    for _ in range(200):
        batch = next(iter(sampler.batches()))
        count += np.bincount(batch.nodes[batch.source], minlength=30)
    assert abs(count / count.mean() - 1).max() < 0.15


def test_the_share_is_half_at_a_sixth() -> None:
    assert share(0) == 0
    assert share(1) == pytest.approx(1)
    assert alpha_of(0.5) == pytest.approx(0.17, abs=0.005)


def test_constant_columns_become_zero() -> None:
    values = np.c_[np.full(5, 0.1), np.arange(5)]
    assert not standardised(values)[:, 0].any()


def test_refining_leaves_the_unlabelled_alone() -> None:
    xy = RNG.random((40, 2))
    codes = np.r_[np.zeros(39, int), -1]
    codes[3] = 1
    np.testing.assert_array_equal(refined(codes, xy, 9)[:39], 0)
    assert refined(codes, xy, 9)[39] == -1


def test_numbers_stay_over_the_slider() -> None:
    base = np.repeat([0, 1, 2], 10).astype(np.int32)
    renamed = np.array([2, 0, 1], dtype=np.int32)[base]
    moved = renamed.copy()
    moved[0] = renamed[15]
    steps = partition.in_step([moved, renamed, renamed], base, 1)
    np.testing.assert_array_equal(steps[1], base)
    np.testing.assert_array_equal(steps[2], base)
    np.testing.assert_array_equal(steps[0][1:], base[1:])
    stays = partition.stability(steps)
    assert stays[0] == 0.5
    assert (stays[1:] == 1).all()


def test_a_warm_start_parts_alike() -> None:
    from sklearn.metrics import adjusted_rand_score

    truth = np.repeat(np.arange(4), 60)
    con = standardised(np.eye(4)[truth] * 6 + RNG.normal(size=(240, 4)))
    blends = partition.Blends(con, con, 15)
    cut = partition.Cut("leiden", 0.5, 0)
    cold = cut.of(blends.graph(0.4))
    warm = cut.of(blends.graph(0.5), cold)
    assert adjusted_rand_score(cold, truth) == 1
    assert adjusted_rand_score(warm, truth) == 1
