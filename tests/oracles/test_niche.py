"""Neighbourhoods, windows and networks against reference numbers (STML_ORACLES, niche/)."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.methods.agreement import partitions
from napari_stml.methods.niches import (
    contacts,
    diversity,
    hoods,
    hops,
    labelling,
    near,
    outlines,
    together,
)

if TYPE_CHECKING:
    from pathlib import Path

SETS = ("spe_test", "synthetic", "edge")


@dataclass
class Case:
    """One set of cells with its reference numbers, and our neighbours of it."""

    name: str
    folder: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        return json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))

    @cached_property
    def expected(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "expected.npz") as arrays:
            return {k: arrays[k] for k in arrays.files}

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        with (self.folder / "cells.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        xy = np.array([[float(r["x"]), float(r["y"])] for r in rows])
        return xy, np.array([r["cell_annotation"] for r in rows])

    @property
    def xy(self) -> np.ndarray:
        return self.cells[0]

    @cached_property
    def codes(self) -> np.ndarray:
        place = {c: i for i, c in enumerate(self.meta["columns"])}
        return np.array([place[t] for t in self.cells[1]])

    @cached_property
    def near(self) -> near.Near:
        return near.finish(near.nearest(self.xy, self.meta["k"], exact=True))

    @cached_property
    def settled(self) -> np.ndarray:
        """Rows whose k-th and next neighbour are not equally far, and no copies of others."""
        more = near.finish(near.nearest(self.xy, self.meta["k"] + 1, exact=True))
        d2 = more.d2.reshape(len(self.xy), -1)
        return (d2[:, -2] < d2[:, -1]) & (d2[:, 0] > 0)

    @property
    def hoods(self) -> np.ndarray:
        groups = len(self.meta["columns"])
        return hoods.merged(self.near, self.codes, groups, self.meta["tau_default"])

    @property
    def reference_isolated(self) -> np.ndarray:
        """What the reference calls pure because all its weights were zero."""
        return self.expected["hoods"].sum(axis=1) == 0


@pytest.fixture(scope="module", params=SETS)
def case(request: Any, oracles: Path) -> Case:
    folder = oracles / "niche" / request.param
    if not folder.is_dir():
        pytest.skip(f"niche/{request.param} is not among the reference numbers")
    return Case(request.param, folder)


def test_neighbours_are_exact_and_without_the_cell_itself(case: Case) -> None:
    k, n = case.meta["k"], len(case.xy)
    found = case.near.others.reshape(n, k)
    assert (found != np.arange(n)[:, None]).all()
    expected = case.expected["neighbour_index"]
    away = np.sqrt(case.near.d2).reshape(n, k)
    theirs = np.sqrt(((case.xy[expected] - case.xy[:, None]) ** 2).sum(-1))
    rows = case.settled
    np.testing.assert_allclose(away[rows], theirs[rows], rtol=1e-9)
    np.testing.assert_allclose(
        away[rows].sum(axis=1), case.expected["distance_rowsum"][rows], rtol=1e-9
    )
    head = case.expected["distance_head"]
    some = rows[: len(head)]
    np.testing.assert_allclose(away[: len(head)][some], head[some], rtol=1e-9)
    step = np.diff(theirs, axis=1)
    clear = np.ones((n, k), dtype=bool)
    clear[:, 1:] &= step > 0
    clear[:, :-1] &= step > 0
    clear &= rows[:, None]
    np.testing.assert_array_equal(found[clear], expected[clear])


def test_neighbours_come_again(case: Case) -> None:
    again = near.finish(near.nearest(case.xy, case.meta["k"], exact=True))
    np.testing.assert_array_equal(case.near.others, again.others)
    turned = near.finish(near.nearest(case.xy[::-1], case.meta["k"], exact=True))
    k = case.meta["k"]
    np.testing.assert_array_equal(
        turned.d2.reshape(-1, k)[::-1][case.settled], case.near.d2.reshape(-1, k)[case.settled]
    )


def test_the_default_bandwidth(case: Case) -> None:
    tau = hoods.default_tau(case.near)
    if case.name == "edge":  # the reference counts copies of a place as the cell itself
        np.testing.assert_allclose(tau, case.meta["tau_default"], rtol=0.02)
    else:
        np.testing.assert_allclose(tau, case.meta["tau_default"], rtol=1e-9)


def test_weights(case: Case) -> None:
    smooth = case.meta["smooth_fadeout"]["tau_returned"]
    for name, tau in (("prob_head", case.meta["tau_default"]), ("prob_smooth_head", smooth)):
        head = case.expected[name]
        for i in np.flatnonzero(case.settled[: len(head)]):
            _, weights = hoods.row_weights(case.near, int(i), tau)
            if np.isnan(head[i]).any():  # the reference divides 0 by 0; ours is the limit
                assert weights.sum() == pytest.approx(1)
                continue
            np.testing.assert_allclose(weights, head[i], atol=1e-12, rtol=0)


def test_hoods_entropy_and_perplexity(case: Case) -> None:
    rows = case.settled & ~case.reference_isolated
    found = case.hoods
    np.testing.assert_allclose(found[rows], case.expected["hoods"][rows], atol=1e-12, rtol=0)
    np.testing.assert_allclose(
        diversity.entropy(found)[rows], case.expected["entropy"][rows], atol=1e-10, rtol=0
    )
    np.testing.assert_allclose(
        diversity.perplexity(found)[rows], case.expected["perplexity"][rows], atol=1e-10, rtol=0
    )
    if case.name == "spe_test":
        assert case.settled.mean() > 0.99
        np.testing.assert_allclose(found, case.expected["hoods"], atol=1e-4)


def test_isolated_cells_are_said_not_pure(case: Case) -> None:
    tau = case.meta["tau_default"]
    lonely = hoods.alone(case.near, tau)
    np.testing.assert_array_equal(lonely, case.reference_isolated)
    if case.name == "edge":
        assert lonely.any()
        limit = case.hoods[lonely]  # the shifted softmax still gives the limit
        np.testing.assert_allclose(limit.sum(axis=1), 1)


def test_colocalisation_and_own_types(case: Case) -> None:
    if case.name == "edge":
        pytest.skip("its ties and isolated cells enter the reference's means")
    atol = 1e-6 if case.name == "spe_test" else 1e-10
    found = case.hoods
    np.testing.assert_allclose(
        together.correlation(found), case.expected["colocalisation"], atol=atol, rtol=0
    )
    groups = len(case.meta["columns"])
    np.testing.assert_allclose(
        together.mean_by(found, case.codes, groups), case.expected["mean_by_own_type"],
        atol=atol, rtol=0,
    )  # fmt: skip


def test_niches_are_as_good_as_the_reference(case: Case) -> None:
    if case.name == "edge":
        pytest.skip("its isolated rows enter the reference's clusters")
    points = case.hoods
    k = case.meta["kmeans"]["k"]
    codes = labelling.k_means(points, k, 0, starts=20)
    ari = partitions.adjusted_rand(partitions.contingency(codes, case.expected["cluster"]))
    centres = together.mean_by(points, codes, k)
    within = float(((points - centres[codes]) ** 2).sum())
    assert ari >= 0.95 or within <= 1.001 * case.meta["kmeans"]["tot_withinss"]


@pytest.fixture(scope="module")
def synthetic(oracles: Path) -> Case:
    folder = oracles / "niche" / "synthetic"
    if not folder.is_dir():
        pytest.skip("niche/synthetic is not among the reference numbers")
    return Case("synthetic", folder)


def test_windows_and_their_enrichment(synthetic: Case) -> None:
    said = json.loads((synthetic.folder / "windows.json").read_text(encoding="utf-8"))
    with np.load(synthetic.folder / "windows.npz") as arrays:
        expected = {k: arrays[k] for k in arrays.files}
    place = {t: i for i, t in enumerate(said["types"])}
    codes = np.array([place[t] for t in synthetic.cells[1]])
    found = {}
    for k in said["ks"]:
        around = near.finish(near.nearest(synthetic.xy, k - 1, strata=expected["region"], own=True))
        found[k] = hoods.windows(around, codes, len(place))
        np.testing.assert_array_equal(found[k], expected[f"counts_k{k}"])
    label = expected["given_label"]
    means = together.mean_by(found[said["enrichment_k"]].astype(float), label, int(label.max()) + 1)
    np.testing.assert_allclose(means, expected["centroids_of_given_label"], atol=1e-12)
    frequency = np.bincount(codes) / len(codes)
    np.testing.assert_allclose(frequency, expected["type_frequency"], atol=1e-12)
    np.testing.assert_allclose(
        together.log2_enrichment(means, frequency, pseudo=1.0), expected["log2_enrichment"],
        atol=1e-12,
    )  # fmt: skip


def test_network_and_contacts(synthetic: Case) -> None:
    said = json.loads((synthetic.folder / "network.json").read_text(encoding="utf-8"))
    with np.load(synthetic.folder / "network.npz") as arrays:
        expected = {k: arrays[k] for k in arrays.files}
    place = {t: i for i, t in enumerate(said["types"])}
    codes = np.array([place[t] for t in synthetic.cells[1]])
    every, _ = contacts.delaunay(synthetic.xy, longest=np.inf)
    assert len(every) == said["edges_before"]
    edges, _ = contacts.delaunay(synthetic.xy, longest=said["radius"])
    ours = {tuple(e) for e in edges.tolist()}
    assert ours == {tuple(sorted(e)) for e in expected["edges"].tolist()}
    niche = expected["niche"].astype(np.int64)
    types, niches = len(place), said["n_niches"]
    to_types, to_niches = (
        hops.to_groups(edges, c, g) for c, g in ((codes, types), (niche, niches))
    )
    np.testing.assert_array_equal(to_types, expected["hops_to_type"])
    np.testing.assert_array_equal(to_niches, expected["hops_to_niche"])
    steps = np.column_stack([to_types, to_niches])
    means = hops.mean_hops(steps, hops.one_hot((codes, types), (niche, niches)))
    np.testing.assert_allclose(means, expected["mean_hops"], atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(hops.weights(means), expected["network_weight"], atol=1e-12)
    counts = contacts.enrichment(edges, codes, types).counts
    both_ways = counts + np.diag(np.diag(counts))  # the reference counts both directions
    np.testing.assert_array_equal(both_ways, expected["contact_counts"])
    assert outlines.outlines(synthetic.xy, niche, said["radius"])
