"""gsMap's numerics on small made-up data: closed forms and invariants."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.core.analysis import finish
from napari_stml.core.errors import StmlError
from napari_stml.methods.gsmap import cauchy, ld_scores, microdomains, ranks, snp_gene, tile_kernel
from napari_stml.methods.gsmap.jackknife import block_bounds
from napari_stml.methods.gsmap.regression import Design
from napari_stml.methods.gsmap.slice_mean import slice_mean
from napari_stml.methods.gsmap.specificity import Rules, specificity
from napari_stml.methods.gsmap.spot_scores import Weights
from napari_stml.methods.gsmap.thresholds import cut_off
from napari_stml.methods.gsmap.trait import Reference, Trait, baseline_sum, lay_on
from napari_stml.methods.gsmap.trait_maps import trait_maps


def done(steps: Any) -> Any:
    return finish(steps)


def test_ranks_are_those_of_scipy() -> None:
    from scipy.stats import rankdata

    rng = np.random.default_rng(0)
    dense = np.round(rng.normal(size=(7, 40)), 1) * (rng.random((7, 40)) < 0.6)
    found = done(ranks.ranked(csr_matrix(dense.astype(np.float32))))
    filled = np.repeat(found.of_zero[:, None], 40, axis=1)
    part = found.others.tocoo()
    filled[part.row, part.col] = part.data
    np.testing.assert_allclose(filled, rankdata(dense.astype(np.float32), axis=1))


def test_a_microdomain_holds_its_spot_and_stays_in_its_label() -> None:
    rng = np.random.default_rng(1)
    xy, latent = rng.random((60, 2)), rng.normal(size=(60, 4))
    labels = np.repeat([0, 1, 2], [30, 25, 5])
    found = done(microdomains.microdomains(xy, latent, labels, near=12, alike=6))
    assert (found.diagonal() == 1).all()
    rows, columns = found.nonzero()
    assert (labels[rows] == labels[columns]).all()
    assert np.diff(found.indptr).tolist() == [6] * 55 + [5] * 5
    with pytest.raises(StmlError, match="cannot be chosen"):
        done(microdomains.microdomains(xy, latent, None, near=5, alike=6))


def plain_regression(design: Any, y: Any, weight: Any, blocks: int) -> tuple[float, float]:
    """The jackknife written out: one regression without each block."""
    x, y = design * weight[:, None], y * weight
    bounds = block_bounds(len(y), blocks)
    whole = np.linalg.lstsq(x, y, rcond=None)[0][0]
    pseudo = []
    for a, b in itertools.pairwise(bounds):
        rest = np.r_[0:a, b : len(y)]
        without = np.linalg.lstsq(x[rest], y[rest], rcond=None)[0][0]
        pseudo.append(blocks * whole - (blocks - 1) * without)
    return float(np.mean(pseudo)), float(np.std(pseudo, ddof=1) / np.sqrt(blocks))


def made_up(snps: int = 1500, genes: int = 12, spots: int = 5) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(2)
    dense = rng.gamma(1, 1, (snps, genes)) * (rng.random((snps, genes)) < 0.3)
    score = (rng.gamma(2, 1, (spots, genes)) * (rng.random((spots, genes)) < 0.6)).astype(
        np.float32
    )
    base = np.column_stack([dense.sum(1), dense.sum(1) + rng.gamma(2, 2, snps)]).astype(np.float32)
    names = np.array([f"rs{i}" for i in range(snps)], dtype=object)
    reference = Reference(names, base, baseline_sum(base), rng.gamma(2, 3, snps).astype(np.float32))
    return csr_matrix(dense.astype(np.float32)), score, reference


def test_the_regression_is_the_one_written_out() -> None:
    weights, score, reference = made_up()
    rng = np.random.default_rng(3)
    rows = np.flatnonzero(rng.random(1500) < 0.9)
    n = rng.integers(40_000, 60_000, len(rows)).astype(np.float32)
    chisq = (rng.normal(size=len(rows)) ** 2 * 1.4).astype(np.float32)
    design = Design(reference, Trait("t", rows, chisq, n), 20)
    found = done(trait_maps(Weights(weights), score, [design]))[0]
    ld = (weights[rows] @ score.T).astype(np.float64)
    base, w = reference.baseline[rows].astype(float), reference.weight[rows].astype(float)
    for spot in range(len(score)):
        total = ld[:, spot] + base.sum(axis=1)
        h = np.clip(1e4 * (chisq.mean() - 1) / np.mean(total * n), 0, 1)
        omega = 1 / ((1 + h * n * np.maximum(total, 1) / 1e4) * np.sqrt(np.maximum(w, 1)))
        scale = (n / n.mean())[:, None]
        columns = np.column_stack([ld[:, spot, None] * scale, base * scale, np.ones(len(n))])
        mean, error = plain_regression(columns, chisq.astype(float), omega, 20)
        assert found.beta[spot] * n.mean() == pytest.approx(mean, rel=1e-4)
        assert found.se[spot] * n.mean() == pytest.approx(error, rel=1e-4)
    assert found.p == pytest.approx(1 - 0.5 * (1 + np.vectorize(_erf)(found.z / np.sqrt(2))))


def _erf(x: float) -> float:
    return math.erf(x)


def test_a_spot_without_scores_has_no_answer_and_order_does_not_matter() -> None:
    weights, score, reference = made_up()
    score[2] = 0
    rng = np.random.default_rng(4)
    trait = Trait("t", np.arange(1500), (rng.normal(size=1500) ** 2).astype(np.float32),
                  np.full(1500, 5e4, np.float32))  # fmt: skip
    design = Design(reference, trait, 20)
    found = done(trait_maps(Weights(weights), score, [design]))[0]
    assert np.isnan(found.z).tolist() == [False, False, True, False, False]
    turned = done(trait_maps(Weights(weights), score[::-1].copy(), [design]))[0]
    np.testing.assert_allclose(found.z[[0, 1, 3, 4]], turned.z[::-1][[0, 1, 3, 4]], rtol=1e-4)


def test_numpy_and_the_compiled_kernel_agree() -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    rng = np.random.default_rng(5)
    score = rng.gamma(2, 1, (30, 9)).astype(np.float32)
    per_snp = [rng.gamma(2, 1, 30).astype(np.float32) for _ in range(3)]
    slope = rng.random(9).astype(np.float32)
    results = []
    for weigh in (tile_kernel.kernel(), tile_kernel.in_numpy):
        out = [np.empty_like(score) for _ in range(3)]
        weigh(score, *per_snp, slope, *out)
        results.append(out)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_traits_that_do_not_fit_say_why() -> None:
    _, _, reference = made_up()
    names, n = reference.names, np.full(1500, 5e4)
    z = np.random.default_rng(6).normal(size=1500)
    with pytest.raises(StmlError, match="No SNP of the summary statistics"):
        lay_on(reference, "t", np.char.add("x", names.astype(str)).astype(object), z, n)
    with pytest.raises(StmlError, match="Only 90 SNPs"):
        lay_on(reference, "t", names[:90], z[:90], n[:90])
    with pytest.raises(StmlError, match="hold no z and N"):
        lay_on(reference, "t", names, np.full(1500, np.nan), n)
    with pytest.raises(StmlError, match="0 or less"):
        lay_on(reference, "t", names, z, np.zeros(1500))
    z[3] = 12
    laid = lay_on(reference, "t", names[::-1], z[::-1], n, blocks=20)
    assert len(laid.rows) == 1499
    assert 3 not in laid.rows
    assert any("chi-square from 80" in note for note in laid.notes)


def test_windows_and_enhancers() -> None:
    class Genes:
        start = np.array([1000, 5000, 5000])
        end = np.array([2000, 9000, 6000])

    tss = np.array([1000, 9000, 5000])
    bp = np.array([500, 901, 2100, 5001, 8000, 20_000])
    assert snp_gene.by_window(bp, Genes(), tss, 100).tolist() == [-1, 0, 0, 2, 1, -1]
    assert snp_gene.by_window(bp, Genes(), tss, 0).tolist() == [-1, -1, -1, 2, 1, -1]
    gene = np.array([0, 1, 2])
    by_score = snp_gene.by_enhancer(bp, Genes(), gene, tss=tss, score=np.array([0.0, 2.0, 1.0]))
    assert by_score.tolist() == [-1, -1, -1, 1, 1, -1]
    window, other = np.array([0, -1, 2]), np.array([1, 1, -1])
    assert snp_gene.merged(window, other, "gene_window_first").tolist() == [0, 1, 2]
    assert snp_gene.merged(window, other, "enhancer_first").tolist() == [1, 1, 2]
    assert snp_gene.merged(window, other, "enhancer_only").tolist() == [1, 1, -1]
    order = np.array([4, 1, 0, 5, 2, 3])
    mixed = snp_gene.by_window(bp[order], Genes(), tss, 100)
    assert mixed.tolist() == snp_gene.by_window(bp, Genes(), tss, 100)[order].tolist()


class Panel:
    people = 60

    def __init__(self, snps: int) -> None:
        g = np.random.default_rng(7).normal(size=(snps, self.people))
        g[1:] += g[:-1]
        g -= g.mean(axis=1, keepdims=True)
        self.g = (g / g.std(axis=1, keepdims=True)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.g)

    def standardised(self, first: int, last: int) -> Any:
        return self.g[first:last]


def test_ld_of_a_whole_chromosome_in_the_window() -> None:
    panel = Panel(250)
    owner = np.arange(250) % 4 - 1
    kept = np.arange(0, 250, 3)
    found = done(ld_scores.gene_weights(
        panel, np.zeros(250, np.int64), owner, 3, kept, np.ones((250, 1))
    ))  # fmt: skip
    r2 = (panel.g @ panel.g.T / 60) ** 2
    r2 -= (1 - r2) / 58
    hot = np.eye(4)[np.where(owner < 0, 3, owner)]
    np.testing.assert_allclose(found.by_gene.toarray(), (r2 @ hot)[kept], atol=2e-4)
    np.testing.assert_allclose(found.extra[:, 0], r2.sum(axis=1)[kept], atol=2e-3)


def test_blocks_cover_every_pair_of_the_window_once() -> None:
    at = np.sort(np.random.default_rng(8).random(730)) * 10
    left = ld_scores.lefts(at, 1.0)
    count = np.zeros((730, 730), int)
    for (a, b), (c, d), both in ld_scores.pairs(left, 730):
        count[a:b, c:d] += 1
        if both:
            count[c:d, a:b] += 1
    assert count.max() == 1
    assert (count == count.T).all()
    assert count[np.abs(at[:, None] - at) <= 1.0].all()


def test_panels_without_genetic_positions_and_out_of_order() -> None:
    at, size, note = ld_scores.window_coordinates(np.zeros(3), np.array([10, 20, 30]))
    assert size == 1e6
    assert at.tolist() == [10, 20, 30]
    assert "1 Mb" in note
    with pytest.raises(StmlError, match="not in order"):
        ld_scores.lefts(np.array([1.0, 3.0, 2.0]), 1)


def test_cauchy_in_closed_form() -> None:
    assert cauchy.combined([0.3]) == pytest.approx(0.3)
    assert cauchy.combined([0.2, 0.8]) == pytest.approx(0.5)
    assert cauchy.combined([1e-14] * 20) == pytest.approx(1e-14, rel=1e-9)
    assert cauchy.combined([0.0, 0.5]) == 0
    assert cauchy.combined([1.0, 1e-9], as_reference=True) == 1
    assert cauchy.combined([0.5, 1 - 1e-12]) > 0.9
    with pytest.raises(ValueError, match="between 0 and 1"):
        cauchy.combined([0.5, np.nan])


def test_few_extreme_spots_do_not_make_a_label() -> None:
    p = np.random.default_rng(9).random(400)
    p[:5] = 1e-30
    found = cauchy.by_label(p, np.zeros(400, np.int64), ("only",))[0]
    assert found.removed >= 5
    assert found.p > 0.01
    p[:40] = 1e-30
    assert cauchy.by_label(p, np.zeros(400, np.int64), ("only",))[0].p < 1e-20


def test_thresholds() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.6, np.nan])
    assert cut_off(p, 0.05, "nominal") == 0.05
    assert cut_off(p, 0.05, "Bonferroni") == pytest.approx(0.01)
    assert cut_off(p, 0.05, "FDR") == 0.008
    assert cut_off(np.array([0.9, np.nan]), 0.05, "FDR") == 0


def test_means_over_sections_are_weighted_by_their_spots() -> None:
    rng = np.random.default_rng(10)
    one = csr_matrix(rng.poisson(1.0, (40, 6)).astype(np.float32))
    two = csr_matrix(rng.poisson(1.0, (20, 5)).astype(np.float32))
    found = done(slice_mean([one, two], [tuple("abcdef"), tuple("cbafe")]))
    assert found.genes == ("a", "b", "c", "e", "f")
    seen = (one.getnnz(axis=0)[0] + two.getnnz(axis=0)[2]) / 60
    assert found.share[0] == pytest.approx(seen)
    chosen = found.at(("c", "a"))
    assert chosen.mean.tolist() == [found.mean[2], found.mean[0]]
    with pytest.raises(StmlError, match="no gene in common"):
        done(slice_mean([one, two], [tuple("abcdef"), tuple("vwxyz")]))


def test_scores_may_lie_outside_memory(tmp_path: Any) -> None:
    values = csr_matrix(np.random.default_rng(11).poisson(1.0, (30, 50)).astype(np.float32))
    rng = np.random.default_rng(12)
    domains = done(microdomains.microdomains(rng.random((30, 2)), rng.random((30, 3)), None,
                                             near=10, alike=5))  # fmt: skip
    ordered = done(ranks.ranked(values))
    plain = done(specificity(ordered, values, domains, Rules()))
    place = np.memmap(tmp_path / "gss", dtype=np.float16, mode="w+", shape=(30, 50))
    done(specificity(ordered, values, domains, Rules(), out=place))
    np.testing.assert_array_equal(plain, np.asarray(place))
    assert ((plain == 0) | (plain > 1.7)).all()


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
def test_through_torch_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from napari_stml.methods.gsmap import on_device

    monkeypatch.setattr(on_device, "SNPS", 400)
    monkeypatch.setattr(on_device, "SPOTS", 2)
    weights, score, reference = made_up()
    rng = np.random.default_rng(13)
    designs = []
    for share in (1.0, 0.8):
        rows = np.flatnonzero(rng.random(1500) < share)
        chisq = (rng.normal(size=len(rows)) ** 2 * 1.3).astype(np.float32)
        n = rng.integers(40_000, 60_000, len(rows)).astype(np.float32)
        designs.append(Design(reference, Trait("t", rows, chisq, n), 20))
    kept = Weights(weights)
    people = np.zeros((1500, 2), np.float32)
    for t, design in enumerate(designs):
        people[design.rows, t] = design.people
    ours = done(trait_maps(kept, score, designs))
    theirs = done(on_device.device_maps(kept, score, designs, kept.summed(people), "cpu"))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.z, b.z, atol=1e-4)
