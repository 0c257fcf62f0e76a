"""Every planted truth can be found again by an estimator that is given the right thing."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from scipy import sparse

from napari_stml.demo import floors, gwas
from napari_stml.demo.anatomy import CELL_TYPES
from napari_stml.demo.genes import PATHWAYS, PROTEINS
from napari_stml.demo.layout import ADIPOSE, DOMAINS, GLAND, IMMUNE, STROMA, TUMOUR
from napari_stml.demo.make import _study
from napari_stml.demo.section import domain_genes
from napari_stml.demo.truth import N_MODULES


def held_out_labels(features, labels, xy_um):
    """Least squares on one-hot labels, predicted across spatial blocks."""
    one_hot = np.eye(labels.max() + 1)[labels]
    fold = ((xy_um[:, 0] // 900) + 2 * (xy_um[:, 1] // 900)).astype(int) % 5
    x = np.column_stack([features, np.ones(len(features))])
    out = np.zeros(len(labels), dtype=int)
    for f in range(5):
        train = fold != f
        weights = np.linalg.lstsq(x[train], one_hot[train], rcond=None)[0]
        out[~train] = (x[~train] @ weights).argmax(axis=1)
    return out


def test_domains_from_the_true_proportions(grown):
    for section in grown[1]:
        found = held_out_labels(
            section.truth.proportions, section.truth.domain, section.lattice.xy_um
        )
        assert (found == section.truth.domain).mean() > 0.8


def test_niches_from_the_neighbourhood_of_the_proportions(grown):
    section = grown[1][0]
    around = floors.neighbour_means(section.truth.proportions, section.lattice.xy_um, 100.0)
    around = floors.neighbour_means(around, section.lattice.xy_um, 100.0)
    found = held_out_labels(around, section.truth.niche, section.lattice.xy_um)
    assert floors.adjusted_rand(found, section.truth.niche) > 0.7
    edge, core = (around[section.truth.niche == k] for k in (1, 0))
    t_cell = CELL_TYPES.index("T_cell")
    assert edge[:, t_cell].mean() > 1.5 * core[:, t_cell].mean()


def test_modules_from_the_connectivity_by_spectral_clustering(grown):
    section = grown[1][0]
    c = section.connectivity
    assert (abs(c - c.T) > 0).nnz == 0
    assert c.diagonal().sum() == 0
    assert 0 < c.data.min() < c.data.max() < 1
    scale = sparse.diags(1 / np.sqrt(np.asarray(c.sum(axis=1)).ravel()))
    vectors = sparse.linalg.eigsh(
        scale @ c.astype(float) @ scale, k=N_MODULES, v0=np.ones(c.shape[0])
    )[1]
    found = floors.k_means(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), N_MODULES)
    assert floors.adjusted_rand(found, section.truth.module) > 0.95
    # and the modules are not the domains
    assert floors.adjusted_rand(section.truth.module, section.truth.domain) < 0.1
    strong = c.multiply(c > 0.25).tocoo()
    assert (section.truth.module[strong.row] == section.truth.module[strong.col]).mean() > 0.9


@pytest.mark.parametrize(
    ("pathway", "domain"),
    [
        ("DEMO_HYPOXIA", TUMOUR), ("DEMO_MATRIX", STROMA), ("DEMO_OESTROGEN", GLAND),
        ("DEMO_ADIPOGENESIS", ADIPOSE), ("DEMO_INTERFERON", IMMUNE),
    ],
)  # fmt: skip
def test_pathway_scores_follow_the_planted_map_and_its_domain(grown, pathway, domain):
    programs, (section, *_) = grown
    values = floors.log_normalised(section.rna)
    z = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    k = list(PATHWAYS).index(pathway)
    score = z[:, np.isin(programs.names, PATHWAYS[pathway])].mean(axis=1)
    assert np.corrcoef(score, section.truth.pathways[:, k])[0, 1] > 0.5
    by_domain = [section.truth.pathways[section.truth.domain == d, k].mean() for d in range(5)]
    assert int(np.argmax(by_domain)) == domain


def test_proteins_follow_their_cell_type(grown):
    for section in grown[1]:
        values = np.log1p(section.protein)
        for j, (protein, kind) in enumerate(PROTEINS.items()):
            r = [np.corrcoef(values[:, j], p)[0, 1] for p in section.truth.proportions.T]
            if kind:
                assert int(np.argmax(r)) == CELL_TYPES.index(kind), protein
            else:
                assert np.max(np.abs(r)) < 0.35


def test_sections_differ_by_a_batch_effect_and_share_their_programs(grown):
    _, (first, second, _) = grown
    a, b = (floors.log_normalised(s.rna) for s in (first, second))
    seen = (a.mean(axis=0) > 0.5) & (b.mean(axis=0) > 0.5)
    for d in range(len(DOMAINS)):
        here = a[first.truth.domain == d][:, seen].mean(axis=0)
        there = b[second.truth.domain == d][:, seen].mean(axis=0)
        assert np.corrcoef(here, there)[0, 1] > 0.6
    shift = a[:, seen].mean(axis=0) - b[:, seen].mean(axis=0)
    assert 0.1 < shift.std() < 0.6
    codes = np.concatenate([s.lattice.barcodes for s in grown[1]])
    assert len(set(codes)) == len(codes)


@pytest.fixture(scope="module")
def study(grown):
    programs, (section, *_) = grown
    return _study(0, programs.names, domain_genes(programs, section, IMMUNE, 120))


def ld_score_z(study, grown, trait):
    """One-sided z per domain: LD score regression on the domain's specific genes.

    Columns: the domain's, all genes', and all SNPs' LD scores, and an intercept; block
    jackknife over 100 blocks.
    """
    programs, (section, *_) = grown
    owner = gwas.nearest_gene(study.panel, study.genes)
    values = floors.log_normalised(section.rna)
    column = {g: i for i, g in enumerate(programs.names)}
    own = np.array([column[g.name] for g in study.genes])
    means = np.stack([values[section.truth.domain == d].mean(axis=0) for d in range(5)])
    ratio = (means / (values.mean(axis=0) + 0.05))[:, own]
    specific = np.where(ratio > 1.15, ratio, 0.0)
    near = owner >= 0
    annotation = np.zeros((len(owner), 7))
    annotation[near, :5] = specific[:, owner[near]].T
    annotation[:, 5], annotation[:, 6] = near, 1.0
    scores = []
    for chromosome in range(1, gwas.N_CHROMOSOMES + 1):
        here = study.panel.chromosome == chromosome
        every = np.ones(int(here.sum()), dtype=bool)
        scores.append(gwas.ld_sums(study.panel, chromosome, every, annotation[here]))
    score = np.concatenate(scores)
    chi2 = study.z[trait] ** 2
    weight = 1 / (1 + np.maximum(score[:, 6], 1) * (chi2.mean() - 1) / score[:, 6].mean())
    out = []
    for d in range(5):
        x = np.column_stack([score[:, [d, 5, 6]], np.ones(len(chi2))]) * weight[:, None]
        y = chi2 * weight
        blocks = np.array_split(np.arange(len(y)), 100)
        xx = np.stack([x[b].T @ x[b] for b in blocks])
        xy = np.stack([x[b].T @ y[b] for b in blocks])
        without = np.linalg.solve(xx.sum(axis=0) - xx, (xy.sum(axis=0) - xy)[..., None])[:, 0, 0]
        whole = np.linalg.solve(xx.sum(axis=0), xy.sum(axis=0))[0]
        pseudo = 100 * whole - 99 * without
        out.append(pseudo.mean() / (pseudo.std(ddof=1) / 10))
    return np.array(out)


def test_the_planted_trait_sits_in_its_domain(study, grown):
    z = ld_score_z(study, grown, gwas.PLANTED)
    assert int(np.argmax(z)) == IMMUNE
    assert z[IMMUNE] > 4
    causal = np.isin([g.name for g in study.genes], study.causal_genes)
    owner = gwas.nearest_gene(study.panel, study.genes)
    near = np.append(causal, False)[owner]
    chi2 = study.z[gwas.PLANTED] ** 2
    assert chi2[near].mean() > 2 * chi2[~near].mean()


def test_the_null_trait_is_inflated_and_sits_nowhere(study, grown):
    assert (study.z[gwas.NULL] ** 2).mean() > 1.5
    assert ld_score_z(study, grown, gwas.NULL).max() < 3


def test_panel_files_say_what_was_drawn(paths, study):
    panel = study.panel
    here = np.flatnonzero(panel.chromosome == 2)
    raw = (paths.gwas.folder / "panel" / "demo.2.bed").read_bytes()
    assert raw[:3] == b"\x6c\x1b\x01"
    packed = np.frombuffer(raw[3:], dtype=np.uint8).reshape(len(here), -1)
    codes = (packed[:, :, None] >> np.array([0, 2, 4, 6])) & 3
    dose = np.array([2, 9, 1, 0])[codes.reshape(len(here), -1)[:, : panel.genotypes.shape[1]]]
    assert (dose == panel.genotypes[here]).all()
    bim = (paths.gwas.folder / "panel" / "demo.2.bim").read_text().split("\n")[0].split("\t")
    assert bim[1] == panel.name[here[0]]
    assert int(bim[3]) == panel.bp[here[0]]
    with gzip.open(paths.gwas.sumstats("planted"), "rt") as f:
        assert f.readline() == "SNP\tA1\tA2\tZ\tN\n"
        assert sum(1 for _ in f) == len(panel)
    with gzip.open(paths.gwas.gtf, "rt") as f:
        assert sum('gene_name "' in line for line in f) == len(study.genes)
