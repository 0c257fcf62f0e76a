from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.analysis import problems
from napari_stml.core.errors import MissingScaleError, StmlError


def ari(a: Any, b: Any) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


@pytest.mark.parametrize(
    "params", [{"resolution": 0.3}, {"method": "k-means", "clusters": 3},
               {"method": "mixture", "clusters": 3}],
)  # fmt: skip
def test_domains_are_found(params: dict[str, Any], toy: Any, run: Any) -> None:
    done = run("clusters", toy, sweep=False, **params)
    labels = done.part("clusters")
    assert ari(labels.codes, toy.domain) > 0.8
    sizes = np.bincount(labels.codes)
    assert list(sizes) == sorted(sizes, reverse=True), "numbered by size"
    assert labels.categories == ("1", "2", "3")


def test_leiden_equals_scanpy(toy: Any, run: Any) -> None:
    import anndata as ad
    import scanpy as sc

    done = run("clusters", toy, sweep=False, smooth=0, seed=4)
    adata = ad.AnnData(toy.counts.astype(np.float32))
    sc.tl.leiden(
        adata, resolution=1.0, flavor="igraph", n_iterations=2, directed=False, random_state=4,
        adjacency=done.part("connectivities").matrix,
    )  # fmt: skip
    assert ari(done.part("clusters").codes, adata.obs["leiden"]) == 1.0


def test_a_stored_embedding_with_holes(toy: Any, run: Any) -> None:
    space = np.eye(3)[toy.domain] * 10 + np.random.default_rng(0).normal(size=(256, 3))
    space[7] = np.nan
    held = toy.with_(embeddings={"X_model": space})
    done = run("clusters", held, embedding="X_model", method="k-means", clusters=3, sweep=False)
    codes = done.part("clusters").codes
    assert codes[7] == -1
    assert ari(np.delete(codes, 7), np.delete(toy.domain, 7)) > 0.9
    assert done.result.notes[0] == "on X_model, 3 dimensions"


def test_smoothing_by_distance_equals_the_lattice_and_needs_the_scale(toy: Any, run: Any) -> None:
    by_array = run("clusters", toy, sweep=False)
    # neighbours on the toy's array are 200 px or 200 px apart: 100 um at 0.5 um per pixel
    by_um = run("clusters", toy, sweep=False, distance=105)
    np.testing.assert_allclose(
        by_array.part("features").values, by_um.part("features").values, atol=1e-5
    )
    with pytest.raises(MissingScaleError):
        run("clusters", toy.with_(um_per_px=None), sweep=False, distance=105)
    free = run("clusters", toy.with_(lattice=False), sweep=False)
    assert any("6 nearest" in note for note in free.result.notes)


@pytest.mark.parametrize("method", ["leiden", "k-means"])
def test_live_follows_and_keeps_numbers(method: str, toy: Any, run: Any) -> None:
    done = run("clusters", toy, method=method, clusters=4, resolution=1.0, sweep=False)
    live = done.analysis.live(done.result, done.inputs, done.params)
    grid = live.grid()
    assert len(grid) >= 15
    positions = [g.resolution if method == "leiden" else g.clusters for g in grid]
    assert len(set(positions)) == len(positions)
    base = done.part("clusters")
    kind = done.analysis.LiveParams
    same = live.update(kind(resolution=1.0, clusters=4), None).part("clusters")
    np.testing.assert_array_equal(same.codes, base.codes)
    finer = kind(resolution=2.5, clusters=6)
    result = live.update(finer, None)
    assert problems(result, done.inputs) == []
    codes = result.part("clusters").codes
    np.testing.assert_array_equal(codes, live.update(finer, ("r0c0",)).part("clusters").codes)
    largest = np.bincount(codes).argmax()
    took_over = np.bincount(base.codes[codes == largest]).argmax()
    assert largest == took_over, "a cluster keeps the number of the one it came from"
    readout = live.readout(finer)
    assert readout["clusters"] == str(len(np.unique(codes)))
    assert ("modularity" in readout) == (method == "leiden")


def test_the_sweep_shows_more_clusters_at_higher_resolution(toy: Any, run: Any) -> None:
    done = run("clusters", toy)
    chart = next(c for c in done.charts if c.name == "fit by resolution")
    number = chart.data["clusters"]
    assert number[-1] > number[0]
    assert len(done.progress) > 12, "each position is a place to cancel"
    by_number = run("clusters", toy, method="k-means", clusters=3)
    chart = next(c for c in by_number.charts if c.name == "fit by number of clusters")
    best = chart.data["number of clusters"][int(np.argmax(chart.data["silhouette"]))]
    assert best == 3


def test_more_clusters_than_different_spots_are_refused(toy: Any, run: Any) -> None:
    held = toy.with_(embeddings={"two": np.repeat([[0.0, 1.0], [5.0, 1.0]], 128, axis=0)})
    with pytest.raises(StmlError, match="only 2 spots differ"):
        run("clusters", held, embedding="two", method="k-means", clusters=5, smooth=0)


def test_floor_of_real_sections(her2st: Any, run: Any) -> None:
    """Smoothed once, k-means with K known, D1 and G2: the measured floors are 0.413 and 0.297."""
    found = []
    for name in ("D1", "G2"):
        section = her2st(name)
        square = section.rows(np.flatnonzero(section.inside))
        truth = square.domain
        k = len(np.unique(truth))
        scores = []
        for seed in range(5):
            done = run("clusters", square, method="k-means", clusters=k, sweep=False,
                       seed=seed)  # fmt: skip
            scores.append(ari(done.part("clusters").codes, truth))
        found.append(float(np.mean(scores)))
    said = f"ARI D1 {found[0]:.3f}, G2 {found[1]:.3f}, mean {np.mean(found):.3f}"
    assert np.mean(found) == pytest.approx((0.413 + 0.297) / 2, abs=0.03), said
