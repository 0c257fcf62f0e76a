from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.core.errors import StmlError
from napari_stml.methods.cell_types import calling
from napari_stml.methods.expression import gene_sets, normalise, quality, scoring
from napari_stml.methods.markers.ranking import adjust


def ended(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_rank_is_the_area_under_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.metrics import roc_auc_score

    monkeypatch.setattr(scoring, "ROWS", 4)
    rng = np.random.default_rng(0)
    values = rng.poisson(0.8, (10, 40)) * rng.integers(0, 2, (10, 1))
    values[0] = 0  # all ties
    sets = [[0, 3, 9], list(range(20))]
    scores = ended(scoring.mean_rank(csr_matrix(values.astype(np.float32)), sets))
    for j, columns in enumerate(sets):
        member = np.isin(np.arange(40), columns)
        expected = [roc_auc_score(member, row) for row in values]
        np.testing.assert_allclose(scores[:, j], expected, atol=1e-9)
    assert scores[0].tolist() == [0.5, 0.5]


def test_genes_that_do_not_vary_have_no_z() -> None:
    values = csr_matrix(np.array([[1.0, 0], [1, 2], [1, 4]]))
    scores = ended(scoring.mean_of_z(values, [[0], [0, 1]]))
    assert scores[:, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(scores[:, 1], [-np.sqrt(1.5), 0, np.sqrt(1.5)])


def test_normalised_rows_have_one_total() -> None:
    counts = csr_matrix(np.array([[1, 3], [0, 0], [10, 10]], dtype=np.float32))
    log = normalise.log_per_target(counts, 100)
    np.testing.assert_allclose(np.expm1(log.toarray()).sum(axis=1), [100, 0, 100], rtol=1e-5)
    median = normalise.log_per_target(counts, 0)
    np.testing.assert_allclose(np.expm1(median.toarray()).sum(axis=1), [12, 0, 12], rtol=1e-5)
    assert counts.data.tolist() == [1, 3, 10, 10], "the input stays"


def test_totals_are_exact_beyond_single_precision() -> None:
    values = csr_matrix(np.array([[2**24, 1, 1]], dtype=np.float32))
    assert normalise.row_totals(values)[0] == 2**24 + 2


def test_limits_by_deviation() -> None:
    values = np.array([10, 11, 12, 13, 14, 100, np.nan])
    low, high = quality.deviation_limits(values, 2) or (0, 0)
    assert (low, high) == pytest.approx((12.5 - 2 * 1.4826 * 1.5, 12.5 + 2 * 1.4826 * 1.5))
    assert quality.deviation_limits(np.ones(5), 3) is None
    assert quality.deviation_limits(np.array([np.nan]), 3) is None


def test_gene_sets_are_read() -> None:
    gmt = "A\thttp://x\tG1\tG2\tG2\nB\t\tG3\n\nempty\tx\n"
    assert gene_sets.from_text(gmt, "f", gmt=True) == {"A": ("G1", "G2"), "B": ("G3",)}
    text = "\ufeff# mine\nT cells: CD3D, CD3E\nG1; G2\nG3\tG4\n"
    expected = {"T cells": ("CD3D", "CD3E"), "f": ("G1", "G2", "G3", "G4")}
    assert gene_sets.from_text(text, "f", gmt=False) == expected
    with pytest.raises(StmlError, match="occurs twice"):
        gene_sets.from_text("A\tx\tG1\nA\tx\tG2", "f", gmt=True)
    with pytest.raises(StmlError, match="No genes"):
        gene_sets.from_text("# nothing", "f", gmt=False)


def test_exact_names_come_before_other_cases() -> None:
    (found,) = gene_sets.matched({"s": ("Cd4", "CD4", "cd8a")}, ("CD4", "Cd4", "CD8A"))
    assert found.columns == (1, 0, 2)
    assert found.recased == 1


def test_confidence_is_the_lead_over_the_spread() -> None:
    scores = np.array([[1.0, 0.5, 0.0], [0.2, 0.2, 0.1]])
    winner, sure = calling.best(scores, 0.5)
    assert winner[0] == 0
    np.testing.assert_allclose(sure, [1.0, 0.0])
    means = calling.group_means(scores, np.array([0, -1]), 2)
    np.testing.assert_array_equal(means, [[1, 0.5, 0], [np.nan] * 3])


def test_adjusted_p() -> None:
    np.testing.assert_allclose(adjust(np.array([0.01, 0.04, 0.03])), [0.03, 0.04, 0.04])
    assert np.isnan(adjust(np.full(3, np.nan))).all()
