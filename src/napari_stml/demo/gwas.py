"""A small GWAS: a reference panel with linkage, and two traits on it.

The planted trait's heritability sits near the genes that are specific for one domain; the null
trait's is spread evenly over all SNPs, so its chi-squares are inflated but tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray

N_CHROMOSOMES = 2
N_PANEL = 180
_SNPS_PER_GENE = 4
_GENE_STEP_BP = 60_000
_GENE_LENGTH_BP = 18_000
_BLOCK = 6
"""SNPs that are inherited together."""
_POPULATION = 1500
_SAMPLES = 60_000
_HERITABILITY = 0.12
_ELSEWHERE = 0.01
"""Variance of an effect far from the planted genes, relative to one near them."""
WINDOW_BP = 50_000
CM_PER_BP = 1e-6

PLANTED, NULL = "planted", "null"


@dataclass(frozen=True)
class GenePlace:
    name: str
    chromosome: int
    start: int
    end: int
    strand: str


@dataclass(frozen=True)
class Panel:
    """SNPs in file order; genotypes (SNPs, people) count the first allele."""

    chromosome: NDArray[np.int64]
    name: NDArray[np.object_]
    bp: NDArray[np.int64]
    alleles: NDArray[np.object_]
    genotypes: NDArray[np.int8]

    @property
    def cm(self) -> FloatArray:
        return self.bp * CM_PER_BP

    @property
    def maf(self) -> FloatArray:
        p = self.genotypes.mean(axis=1) / 2
        return np.asarray(np.minimum(p, 1 - p))

    def __len__(self) -> int:
        return len(self.bp)


@dataclass(frozen=True)
class Gwas:
    """The panel, the genes' places, one z per SNP and trait, and people per SNP.

    ``causal_genes`` are those near which the planted trait's heritability lies.
    """

    panel: Panel
    genes: tuple[GenePlace, ...]
    z: dict[str, FloatArray]
    people: NDArray[np.int64]
    causal_genes: tuple[str, ...]


def simulate(
    rng: np.random.Generator, gene_names: tuple[str, ...], specific: tuple[str, ...]
) -> Gwas:
    """Draw panel and traits; ``specific`` are the genes that carry the planted trait."""
    places = _place_genes(rng, gene_names)
    panel, population = _panel(rng, places)
    owner = nearest_gene(panel, places)
    causal = np.isin(owner, [i for i, g in enumerate(places) if g.name in set(specific)])
    people = rng.integers(_SAMPLES - 4000, _SAMPLES, len(panel))
    n = float(_SAMPLES)
    z = {
        PLANTED: _z_scores(rng, population, np.where(causal, 1.0, _ELSEWHERE), n),
        NULL: _z_scores(rng, population, np.ones(len(panel)), n),
    }
    return Gwas(panel, places, z, people, specific)


def _place_genes(rng: np.random.Generator, names: tuple[str, ...]) -> tuple[GenePlace, ...]:
    nuclear = [n for n in names if not n.startswith("MT-")]
    order = rng.permutation(len(nuclear))
    per_chromosome = -(-len(nuclear) // N_CHROMOSOMES)
    places = []
    for k, i in enumerate(order):
        chromosome, slot = divmod(k, per_chromosome)
        start = 1_000_000 + slot * _GENE_STEP_BP + int(rng.integers(0, 25_000))
        length = int(_GENE_LENGTH_BP * rng.uniform(0.4, 1.6))
        strand = "+" if rng.random() < 0.5 else "-"
        places.append(GenePlace(nuclear[i], chromosome + 1, start, start + length, strand))
    return tuple(places)


def _panel(
    rng: np.random.Generator, places: tuple[GenePlace, ...]
) -> tuple[Panel, list[FloatArray]]:
    """The panel, and per block of linkage the standardised genotypes of a larger population."""
    chromosome, bp = [], []
    for c in range(1, N_CHROMOSOMES + 1):
        here = [g for g in places if g.chromosome == c]
        last = max(g.end for g in here) + 500_000
        span = last - 500_000
        at = 500_000 + np.sort(rng.choice(span, _SNPS_PER_GENE * len(here), replace=False))
        chromosome.append(np.full(len(at), c))
        bp.append(at)
    where = np.concatenate(bp)
    blocks, genotypes = [], []
    for at in bp:
        for start in range(0, len(at), _BLOCK):
            dose = _block(rng, min(_BLOCK, len(at) - start))
            genotypes.append(dose[:, :N_PANEL])
            centred = dose - dose.mean(axis=1, keepdims=True)
            blocks.append(centred / centred.std(axis=1, keepdims=True))
    pairs = np.array([("A", "G"), ("C", "T"), ("G", "A"), ("T", "C"), ("A", "C"), ("G", "T")])
    number = 1000 + rng.choice(9_000_000, len(where), replace=False)
    panel = Panel(
        np.concatenate(chromosome), np.array([f"rs{i}" for i in number], dtype=object), where,
        pairs[rng.integers(0, len(pairs), len(where))].astype(object),
        np.concatenate(genotypes).astype(np.int8),
    )  # fmt: skip
    return panel, blocks


def _block(rng: np.random.Generator, size: int) -> FloatArray:
    """Allele doses (size, population): two chromosomes, correlated along the block."""
    step = rng.uniform(0.75, 0.97, size)
    threshold = rng.uniform(-1.3, 1.3, size)
    hidden = np.empty((size, 2 * _POPULATION))
    hidden[0] = rng.standard_normal(2 * _POPULATION)
    for i in range(1, size):
        fresh = rng.standard_normal(2 * _POPULATION)
        hidden[i] = step[i] * hidden[i - 1] + np.sqrt(1 - step[i] ** 2) * fresh
    allele = (hidden > threshold[:, None]).astype(np.float64)
    return allele[:, :_POPULATION] + allele[:, _POPULATION:]


def nearest_gene(panel: Panel, places: tuple[GenePlace, ...]) -> NDArray[np.int64]:
    """Index of the gene with the nearest start whose window holds the SNP, else -1."""
    owner = np.full(len(panel), -1, dtype=np.int64)
    best = np.full(len(panel), np.inf)
    for i, g in enumerate(places):
        first, last = g.start - WINDOW_BP, g.end + WINDOW_BP
        here = np.flatnonzero(
            (panel.chromosome == g.chromosome) & (panel.bp >= first) & (panel.bp <= last)
        )
        distance = np.abs(panel.bp[here] - (g.start if g.strand == "+" else g.end))
        nearer = distance < best[here]
        owner[here[nearer]] = i
        best[here[nearer]] = distance[nearer]
    return owner


def _z_scores(
    rng: np.random.Generator, blocks: list[FloatArray], weight: FloatArray, n: float
) -> FloatArray:
    """Draw z = sqrt(n) R beta + noise with covariance R, block by block.

    Effects differ in sign, not in size: none is so large that a regression would drop it.
    """
    beta = np.where(rng.random(len(weight)) < 0.5, -1.0, 1.0) * np.sqrt(weight)
    beta *= np.sqrt(_HERITABILITY / (beta**2).sum())
    out, start = [], 0
    for g in blocks:
        r = g @ g.T / g.shape[1]
        part = beta[start : start + len(r)]
        noise = g @ rng.standard_normal(g.shape[1]) / np.sqrt(g.shape[1])
        out.append(np.sqrt(n) * (r @ part) + noise)
        start += len(r)
    return np.concatenate(out)


def ld_sums(
    panel: Panel, chromosome: int, kept: NDArray[np.bool_], columns: FloatArray
) -> FloatArray:
    """Sum of adjusted r^2 within 1 cM times ``columns`` (SNPs of the chromosome, k).

    ``kept`` chooses, among these SNPs, those that are summed over.
    """
    here = panel.chromosome == chromosome
    g = panel.genotypes[here].astype(np.float64)
    g -= g.mean(axis=1, keepdims=True)
    sd = g.std(axis=1, keepdims=True)
    g = np.divide(g, sd, out=np.zeros_like(g), where=sd > 0)
    cm, n = panel.cm[here], g.shape[1]
    out = np.zeros((len(g), columns.shape[1]))
    for start in range(0, len(g), 500):
        rows = slice(start, min(start + 500, len(g)))
        near = slice(
            int(np.searchsorted(cm, cm[rows][0] - 1.0)),
            int(np.searchsorted(cm, cm[rows][-1] + 1.0, side="right")),
        )
        r2 = (g[rows] @ g[near].T / n) ** 2
        r2 -= (1 - r2) / (n - 2)
        r2 *= (np.abs(cm[rows][:, None] - cm[near][None, :]) <= 1.0) & kept[near][None, :]
        out[rows] = r2 @ columns[near]
    return out
