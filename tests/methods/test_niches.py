"""Neighbourhoods in closed form: ties, isolation, fields, chance, deconvolution, outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from napari_stml.core.errors import StmlError
from napari_stml.methods.niches import (
    contacts,
    deconvolve,
    diversity,
    hoods,
    hops,
    labelling,
    near,
    outlines,
    together,
)


@pytest.fixture(scope="module")
def cells() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(0, 400, (600, 2)), rng.integers(0, 4, 600).astype(np.int32)


def ended(steps: Any) -> Any:
    """What a generator of fractions gives in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def square(n: int = 9) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2) * 10.0


def test_ties_go_to_the_lowest_index_and_are_counted() -> None:
    xy = square()
    found = near.finish(near.nearest(xy, 3, exact=True))
    away = np.sqrt(((xy[:, None] - xy) ** 2).sum(-1))
    for i in range(len(xy)):
        order = [j for j in np.lexsort((np.arange(len(xy)), away[i])) if j != i]
        assert found.row(i)[0].tolist() == order[:3]
    assert found.tied > 40


def test_many_on_one_place_are_never_their_own_neighbours() -> None:
    xy = np.vstack([np.zeros((60, 2)), square(3) + 5])
    found = near.finish(near.nearest(xy, 4))
    table = found.others.reshape(-1, 4)
    assert (table != np.arange(len(xy))[:, None]).all()
    assert (found.d2.reshape(-1, 4)[:60] == 0).all()
    assert table[10].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("own", [False, True])
def test_a_radius_takes_all_within_it(cells: tuple[np.ndarray, np.ndarray], own: bool) -> None:
    xy = np.vstack([cells[0], [[5000.0, 5000.0]]])
    found = near.finish(near.within(xy, 30, own=own))
    away = np.sqrt(((xy[:, None] - xy) ** 2).sum(-1))
    inside = away <= 30
    if not own:
        np.fill_diagonal(inside, False)
    np.testing.assert_array_equal(found.counts, inside.sum(axis=1))
    for i in (0, 17, 600):
        others, d2 = found.row(i)
        assert set(others.tolist()) == set(np.flatnonzero(inside[i]).tolist())
        assert (np.diff(d2) >= 0).all()
        assert not own or others[0] == i
    assert hoods.alone(found, 100.0)[600]


def test_fields_are_never_linked(cells: tuple[np.ndarray, np.ndarray]) -> None:
    xy, _ = cells
    field = (xy[:, 0] > 200).astype(int)
    field[:5] = -1
    for found in (
        near.finish(near.nearest(xy, 10, strata=field)),
        near.finish(near.within(xy, 30, strata=field)),
    ):
        rows = np.repeat(np.arange(len(xy)), found.counts)
        assert (field[rows] == field[found.others]).all()
        assert (found.counts[:5] == 0).all()
    edges, _ = contacts.delaunay(xy, field)
    assert (field[edges[:, 0]] == field[edges[:, 1]]).all()


def test_more_neighbours_than_cells_and_lost_places_are_refused() -> None:
    with pytest.raises(StmlError, match="need more than 9"):
        near.finish(near.nearest(square(3), 9))
    with pytest.raises(StmlError, match="no position"):
        near.finish(near.nearest(np.array([[0.0, np.nan], [1, 1], [2, 2]]), 1))


def test_rings_are_6_18_36_on_a_hexagonal_array() -> None:
    row, column = (a.ravel() for a in np.mgrid[:15, :15])
    array = np.column_stack([row, 2 * column + row % 2])
    xy = array[:, ::-1] * np.array([50.0, 86.6])
    middle = 7 * 15 + 7
    for count, number in ((1, 6), (2, 18), (3, 36)):
        found = near.rings(array, xy, count, hexagonal=True)
        assert found.counts[middle] == number + 1
        assert found.row(middle)[0][0] == middle


def test_live_hoods_equal_those_computed_at_once(cells: tuple[np.ndarray, np.ndarray]) -> None:
    xy, codes = cells
    codes = codes.copy()
    codes[:50] = -1
    found = near.finish(near.nearest(xy, 40))
    ready = hoods.Hoods(found, codes, 4)
    for k in (5, 40):
        tau = 300.0
        np.testing.assert_allclose(
            ready.at(tau, k=k), hoods.merged(found.closest(k), codes, 4, tau), atol=2e-6
        )
    np.testing.assert_allclose(
        ready.at(300.0, radius=25), hoods.merged(found.inside(25), codes, 4, 300.0), atol=2e-6
    )
    shares = ready.at(300.0)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_proportions_are_gathered(cells: tuple[np.ndarray, np.ndarray]) -> None:
    xy, _ = cells
    rng = np.random.default_rng(0)
    a = rng.dirichlet(np.ones(3), len(xy))
    a[7] = np.nan
    found = near.finish(near.nearest(xy, 12, own=True, exact=True))
    shares, within = hoods.gathered(found, a, 200.0)
    for i in (0, 7, 99):
        others, weights = hoods.row_weights(found, i, 200.0)
        keep = others != 7
        w = weights[keep] / weights[keep].sum()
        np.testing.assert_allclose(shares[i], w @ a[others[keep]], atol=1e-12)
        np.testing.assert_allclose(within[i], w @ diversity.entropy(a[others[keep]]), atol=1e-12)
    between = diversity.entropy(shares) - within
    assert (between > -1e-9).all()


def test_entropy_and_perplexity_in_closed_form() -> None:
    shares = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0], [np.nan] * 4])
    np.testing.assert_allclose(diversity.perplexity(shares), [1, 4, 2, np.nan])
    np.testing.assert_allclose(diversity.evenness(shares), [0, 1, 0.5, np.nan], atol=1e-12)


def test_exact_chance_of_shares_is_that_of_shuffled_labels(
    cells: tuple[np.ndarray, np.ndarray],
) -> None:
    xy, codes = cells
    found = near.finish(near.nearest(xy, 15, exact=True))
    shares = hoods.merged(found, codes, 4, 150.0)
    z = diversity.chance(shares, hoods.squares(found, 150.0), codes, None)
    rng = np.random.default_rng(1)
    many = np.stack([hoods.merged(found, diversity.mixed(codes, rng), 4, 150.0)
                     for _ in range(400)])  # fmt: skip
    other = (shares - many.mean(axis=0)) / many.std(axis=0)
    assert np.corrcoef(z.ravel(), other.ravel())[0, 1] > 0.995
    assert np.median(np.abs(z - other)) < 0.06


def test_exact_chance_of_mixtures_is_that_of_shuffled_rows_some_unknown(
    cells: tuple[np.ndarray, np.ndarray],
) -> None:
    xy, codes = cells
    rng = np.random.default_rng(3)
    a = rng.dirichlet(np.ones(4), len(codes)) * 0.5 + np.eye(4)[codes] * 0.5
    known = rng.random(len(codes)) > 0.2
    a[~known] = np.nan
    found = near.finish(near.nearest(xy, 15, exact=True))
    shares = hoods.gathered(found, a, 150.0)[0]
    many = []
    for _ in range(400):
        order = np.arange(len(codes))
        order[known] = rng.permutation(order[known])
        many.append(hoods.gathered(found, a[order], 150.0)[0])
    z = diversity.chance(shares, hoods.squares(found, 150.0, known), a, None)
    other = (shares - np.mean(many, axis=0)) / np.std(many, axis=0)
    assert np.corrcoef(z.ravel(), other.ravel())[0, 1] > 0.995
    assert np.median(np.abs(z - other)) < 0.06


def test_exact_contacts_agree_with_shuffled_labels() -> None:
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 100, (300, 2))
    codes = (xy[:, 0] // 34 + rng.integers(0, 2, 300)).astype(np.int32)
    codes[:9] = -1
    field = (xy[:, 1] > 50).astype(int)
    edges, longest = contacts.delaunay(xy, field)
    assert longest > 0
    groups = int(codes.max()) + 1
    found = contacts.enrichment(edges, codes, groups, field)
    many = np.stack([contacts.counted(edges, diversity.mixed(codes, rng, field), groups)
                     for _ in range(1500)])  # fmt: skip
    noise = many.std(axis=0) / np.sqrt(1500)
    assert (np.abs(many.mean(axis=0) - found.expected) < 4.5 * noise + 1e-9).all()
    z = (found.counts - many.mean(axis=0)) / many.std(axis=0)
    assert np.abs(z - found.z).max() < 0.12 * np.abs(z).max()
    np.testing.assert_array_equal(found.z, found.z.T)


def test_one_pair_has_no_chance_to_differ() -> None:
    found = contacts.enrichment(np.array([[0, 1]], np.int32), np.array([0, 1]), 2)
    assert found.counts[0, 1] == 1
    assert np.isnan(found.z).all()


def test_correlations_and_log_ratios() -> None:
    rng = np.random.default_rng(0)
    amount = np.exp(rng.normal(size=(4000, 4)))
    amount[:, 1] = amount[:, 0] * np.exp(rng.normal(0, 0.1, 4000))
    shares = amount / amount.sum(axis=1, keepdims=True)
    rho = together.log_ratio(shares)
    assert rho[0, 1] > 0.9
    assert together.correlation(shares)[2, 3] < -0.1  # closure: unrelated, but opposed
    assert np.isnan(together.correlation(shares[:1])).all()


def test_co_occurrence_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    xy, codes = rng.uniform(0, 50, (200, 2)), rng.integers(0, 3, 200)
    distances = np.array([5.0, 20.0])
    steps = together.co_occurrence(xy, codes, 3, distances)
    ratio = ended(steps)
    away = np.sqrt(((xy[:, None] - xy) ** 2).sum(-1)) + np.eye(200) * 1e9
    for d, reach in enumerate(distances):
        close = away <= reach
        pairs = np.array([[close[codes == a][:, codes == b].sum() for b in range(3)]
                          for a in range(3)])  # fmt: skip
        share = pairs.sum(axis=0) / pairs.sum()
        np.testing.assert_allclose(ratio[:, :, d], pairs / pairs.sum(axis=1)[:, None] / share)


def test_steps_over_a_chain() -> None:
    edges = np.array([[0, 1], [1, 2], [2, 3]], np.int32)
    member = np.array([True, False, False, False, False])
    np.testing.assert_array_equal(hops.hops(edges, 5, member), [0, 1, 2, 3, np.nan])
    assert np.isnan(hops.hops(edges, 5, np.zeros(5, bool))).all()


def test_a_disc_becomes_one_round_outline() -> None:
    xy = square(21)
    inside = np.hypot(*(xy - 100).T) < 60
    found = outlines.outlines(xy, np.where(inside, 0, 1), 20.0)
    disc = next(o for o in found if o.niche == 0)
    assert disc.roundness > 0.85
    assert disc.shape.area == pytest.approx(np.pi * 60**2, rel=0.25)
    ring = next(o for o in found if o.niche == 1)
    assert len(ring.shape.interiors) == 1
    assert outlines.outlines(np.column_stack([np.arange(9.0), np.zeros(9)]), inside[:9], 5) == []


def test_least_squares_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    basis, target = rng.gamma(1, 1, (40, 5)), rng.gamma(1, 1, (30, 40))
    found = deconvolve.non_negative(basis.T @ basis, target @ basis)
    for x, b in zip(found, target, strict=True):
        np.testing.assert_allclose(x, nnls(basis, b)[0], atol=1e-5)


def test_mixtures_are_taken_apart() -> None:
    rng = np.random.default_rng(0)
    profiles = rng.gamma(0.3, 3, (4, 200))
    cells = csr_matrix(rng.poisson(profiles[np.repeat(np.arange(4), 50)]))
    means, number = deconvolve.signatures(cells, np.repeat(np.arange(4), 50), 4)
    assert number.tolist() == [50] * 4
    share = rng.dirichlet(np.ones(4), 80)
    spots = csr_matrix(rng.poisson(share @ profiles * 20))
    genes = deconvolve.telling(means, 30)
    steps = deconvolve.fit(spots[:, genes], means[:, genes])
    amounts, fit = ended(steps)
    found = deconvolve.shares(amounts)
    assert np.corrcoef(found.ravel(), share.ravel())[0, 1] > 0.97
    assert np.nanmedian(fit) > 0.9


def test_niches_keep_their_place_from_given_centres() -> None:
    rng = np.random.default_rng(0)
    middle = np.eye(3)
    codes = rng.integers(0, 3, 900)
    points = np.abs(middle[codes] + rng.normal(0, 0.05, (900, 3))).astype(np.float32)
    found = labelling.settled(points, labelling.centres(points, codes, 3) + 0.05, 10)
    np.testing.assert_array_equal(found, codes)
    steps = labelling.niches(points.astype(np.float64), "k-means", 3, seed=0)
    assert labelling.agreed(ended(steps), codes) == 1
