"""Counts: negative binomial around the mixture of what a spot's cells express."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_stml.demo import genes
from napari_stml.demo.anatomy import CELL_TYPES
from napari_stml.demo.truth import N_MODULES, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray
    from napari_stml.demo.lattice import Lattice

_RNA_CONTENT = np.array([1.6, 1.3, 0.9, 0.8, 0.6, 0.6, 1.1, 0.8])
_MEDIAN_DEPTH = 2400.0
_SPILLOVER = 0.28
_MODULE_GENES = 12
_CLEAR_MARKERS = 3
"""The first markers of each type are strong enough to be seen on the tissue, gene by gene."""


@dataclass(frozen=True)
class Programs:
    """What all sections of one demo share.

    Attributes
    ----------
    names
        Genes.
    by_type
        Expression of a pure cell type, (8, genes), rows sum to its RNA content.
    pathway, module, region
        Log-scale loadings of genes on pathway activities, modules, and on a regional gradient
        that has nothing to do with the domains.
    dispersion
        Variance beyond Poisson is mean^2 * dispersion.
    protein
        (8, proteins) copies above background.
    """

    names: tuple[str, ...]
    by_type: FloatArray
    pathway: FloatArray
    module: FloatArray
    region: FloatArray
    dispersion: FloatArray
    protein: FloatArray

    @classmethod
    def random(cls, rng: np.random.Generator) -> Programs:
        names = genes.gene_names()
        index = {g: i for i, g in enumerate(names)}
        n = len(names)
        named = len(set().union(*genes.MARKERS.values(), *genes.PATHWAYS.values()))
        base = rng.normal(-1.2, 1.15, n)
        base[:named] = rng.normal(-0.2, 0.8, named)
        house = np.array([g.startswith(("RPL", "RPS", "MT-")) for g in names])
        base[house] = rng.normal(2.2, 0.6, int(house.sum()))
        effect = rng.normal(0, 0.22, (len(CELL_TYPES), n))
        for k, kind in enumerate(CELL_TYPES):
            marker = [index[g] for g in genes.MARKERS[kind]]
            effect[k, marker] += rng.normal(1.65, 0.45, len(marker))
            effect[k, marker[:_CLEAR_MARKERS]] += 1.0
            base[marker[:_CLEAR_MARKERS]] += 0.7
            others = rng.choice(np.flatnonzero(~house[named:]) + named, 70, replace=False)
            effect[k, others] += rng.normal(0.6, 0.35, len(others))
        by_type = np.exp(base + effect)
        by_type *= (_RNA_CONTENT / by_type.sum(axis=1))[:, None]
        pathway = np.zeros((len(genes.PATHWAYS), n))
        for k, members in enumerate(genes.PATHWAYS.values()):
            pathway[k, [index[g] for g in members]] = rng.normal(0.85, 0.2, len(members))
        module = np.zeros((N_MODULES, n))
        chosen = rng.choice(np.arange(named, n), (N_MODULES, _MODULE_GENES), replace=False)
        for k in range(N_MODULES):
            module[k, chosen[k]] = rng.normal(0.55, 0.1, _MODULE_GENES)
        return cls(
            names, by_type, pathway, module, _region(rng, n), rng.uniform(0.15, 0.6, n),
            _protein(rng),
        )  # fmt: skip


def _region(rng: np.random.Generator, n: int) -> FloatArray:
    return np.where(rng.random(n) < 0.3, rng.normal(0, 0.37, n), 0.0)


def _protein(rng: np.random.Generator) -> FloatArray:
    out = np.zeros((len(CELL_TYPES), len(genes.PROTEINS)))
    for j, kind in enumerate(genes.PROTEINS.values()):
        if kind:
            out[CELL_TYPES.index(kind), j] = np.exp(rng.normal(np.log(160.0), 0.4))
    return out


def rna_counts(
    rng: np.random.Generator, programs: Programs, truth: Truth, lattice: Lattice, batch: float
) -> sparse.csr_matrix:
    """Counts (spots, genes); ``batch`` is the spread of the section's own gene factors (log)."""
    share = truth.proportions @ programs.by_type
    log_gain = (
        truth.pathways @ programs.pathway
        + programs.module[truth.module]
        + truth.region[:, None] * programs.region
    )
    mean: FloatArray = share * np.exp(log_gain + rng.normal(0, batch, share.shape[1]))
    mean = _spill(mean, lattice)
    depth = np.exp(rng.normal(np.log(_MEDIAN_DEPTH), 0.45, len(mean)))
    mean *= (depth * np.exp(-0.6 * batch))[:, None]
    return sparse.csr_matrix(_negative_binomial(rng, mean, programs.dispersion))


def protein_counts(
    rng: np.random.Generator, programs: Programs, truth: Truth, lattice: Lattice, batch: float
) -> NDArray[np.int64]:
    """Counts (spots, proteins): antibody background plus what the cell types carry."""
    background = np.exp(rng.normal(np.log(18.0), 0.35, programs.protein.shape[1]))
    mean = background + truth.proportions @ programs.protein
    mean = _spill(mean * np.exp(rng.normal(0, batch, mean.shape[1])), lattice)
    mean *= np.exp(rng.normal(0, 0.3, len(mean)))[:, None]
    return _negative_binomial(rng, mean, np.full(mean.shape[1], 0.09)).astype(np.int64)


def _spill(mean: FloatArray, lattice: Lattice) -> FloatArray:
    """Transcripts drift into the neighbouring spots."""
    pairs = lattice.neighbours()
    n = len(lattice)
    ones = np.ones(2 * len(pairs))
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    near = sparse.csr_matrix((ones, (i, j)), shape=(n, n))
    degree = np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)
    return np.asarray((1 - _SPILLOVER) * mean + _SPILLOVER * (near @ mean) / degree[:, None])


def _negative_binomial(
    rng: np.random.Generator, mean: FloatArray, dispersion: FloatArray
) -> NDArray[np.int32]:
    rate = rng.gamma(np.broadcast_to(1 / dispersion, mean.shape)) * (mean * dispersion)
    return rng.poisson(rate).astype(np.int32)
