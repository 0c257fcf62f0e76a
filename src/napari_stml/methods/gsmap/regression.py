"""Spatial LDSC: one weighted regression per spot and trait, in one pass over the SNPs.

A spot's chi-squares are regressed on its LD scores, the baseline and a free intercept. Weights
differ from spot to spot, so no design is shared; but every sum that the normal equations need is
a product of (SNPs x spots) weights with a few columns that all spots share. Tiles of SNPs and
spots go through the processor's cache once; the matrix of LD scores never exists as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_stml.methods.gsmap.jackknife import block_bounds, pseudovalue_mean
from napari_stml.methods.gsmap.tile_kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_stml.methods.gsmap.trait import Reference, Trait

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

SPOTS, SNPS = 128, 512
"""A tile: 256 kB of f32."""
M = 1e4
"""Stands for the number of SNPs in the weights; it cancels unless heritability is clipped."""


class SpotScores(Protocol):
    """LD scores of some spots, by rows of the reference."""

    def rows(self, first: int, last: int) -> F32:
        """Scores of the rows from ``first`` to before ``last``: (rows, spots)."""
        ...


@dataclass(frozen=True)
class Estimate:
    """Per spot; NaN where the regression has no answer."""

    beta: F64
    se: F64

    @property
    def z(self) -> F64:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.beta / self.se)

    @property
    def p(self) -> F64:
        """One-sided: only enrichment counts."""
        return upper_tail(self.z)


def upper_tail(z: F64) -> F64:
    from scipy.special import ndtr

    return np.asarray(np.clip(ndtr(-np.asarray(z, np.float64)), 1e-300, 1.0))


class Design:
    """What all spots share of one trait: columns of the sums, and where its blocks lie."""

    def __init__(self, reference: Reference, trait: Trait, blocks: int) -> None:
        rows = trait.rows
        self.rows, self.blocks = rows, blocks
        self.bounds = block_bounds(len(rows), blocks)
        self.mean_people = float(trait.people.mean(dtype=np.float64))
        self.people = trait.people
        scaled = self.people / np.float32(self.mean_people)
        self.baseline_sum = reference.baseline_sum[rows]
        self._people_baseline = float(self.baseline_sum.astype(np.float64) @ self.people)
        fixed = reference.baseline[rows] * scaled[:, None]
        self.mean_chisq = float(trait.chisq.mean(dtype=np.float64))
        # A free intercept absorbs any shift of the columns; f32 sums keep more digits that way.
        fixed = fixed - fixed.mean(axis=0, dtype=np.float64).astype(np.float32)
        y = trait.chisq - np.float32(self.mean_chisq)
        ones = np.ones((len(rows), 1), np.float32)
        fixed = np.concatenate([fixed, ones], axis=1)
        self.one_n = np.asarray(1 / scaled, dtype=np.float32)
        weight = np.maximum(reference.weight[rows], np.float32(1))
        self.inverse_weight = np.asarray(self.one_n**2 / weight, dtype=np.float32)
        # Transposed: a product with the tile reads them along their rows.
        both = np.ascontiguousarray(np.concatenate([fixed, y[:, None]], axis=1).T)
        k = fixed.shape[1]
        self.pairs = [(i, j) for i in range(k) for j in range(i, k + 1)]
        self.of_weight = np.empty((len(self.pairs), len(rows)), np.float32)
        for line, (i, j) in zip(self.of_weight, self.pairs, strict=True):
            np.multiply(both[i], both[j], out=line)
        self.of_score = both * scaled
        self.of_square = np.ascontiguousarray(scaled**2)[None]
        self.width = 1 + k

    def heritability(self, people_scores: F64) -> F32:
        """Clipped h of the weights, from the sum of N times score over the SNPs of each spot."""
        mean = (people_scores + self._people_baseline) / len(self.rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            h = M * (self.mean_chisq - 1) / mean
        return np.clip(np.nan_to_num(h, nan=0.0), 0, 1).astype(np.float32)


def regress(
    scores: SpotScores, designs: Sequence[Design], people_scores: F64, spots: int, *, step: int
) -> Generator[float, None, list[Estimate]]:
    """Estimate all traits for the spots of ``scores``; yields the fraction done.

    Parameters
    ----------
    people_scores
        Sum of N times score over the SNPs of each trait: (traits, spots).
    """
    total = max(int(d.rows[-1]) + 1 for d in designs)
    runs = [Running(d, d.heritability(people_scores[t]), spots) for t, d in enumerate(designs)]
    for first in range(0, total, step):
        last = min(first + step, total)
        tile = scores.rows(first, last)
        for running in runs:
            running.add(tile, first, last)
        yield last / total
    return [running.estimate() for running in runs]


class Running:
    """The sums of one trait, block by block."""

    most = SNPS

    def __init__(self, design: Design, h: F32, spots: int) -> None:
        self.design, self.spots = design, spots
        self.slope = h * np.float32(design.mean_people / M)
        lines = len(design.of_weight) + len(design.of_score) + 1
        self.sums = np.zeros((design.blocks, lines, spots))
        self._work = tuple(np.empty((SNPS, spots), np.float32) for _ in range(3))
        self._weigh = kernel()

    def add(self, tile: F32, first: int, last: int) -> None:
        """Add the SNPs of the reference from ``first`` on, whose scores are ``tile``."""
        design = self.design
        low, high = np.searchsorted(design.rows, (first, last))
        at = int(low)
        while at < high:
            block = int(np.searchsorted(design.bounds, at, side="right")) - 1
            end = int(min(high, design.bounds[block + 1], at + self.most))
            own = design.rows[at:end] - first
            contiguous = own[-1] - own[0] + 1 == len(own)
            self.weigh(tile[own[0] : own[-1] + 1] if contiguous else tile[own], at, end, block)
            at = end

    def weigh(self, score: F32, at: int, end: int, block: int) -> None:
        """Add the SNPs ``at`` to before ``end`` of the trait, which lie in one block."""
        design, n = self.design, end - at
        weight, first, second = (work[:n] for work in self._work)
        own = slice(at, end)
        self._weigh(score, design.baseline_sum[own], design.inverse_weight[own],
                    design.one_n[own], self.slope, weight, first, second)  # fmt: skip
        sums, k = self.sums[block], len(design.of_weight)
        sums[:k] += design.of_weight[:, own] @ weight
        sums[k:-1] += design.of_score[:, own] @ first
        sums[-1:] += design.of_square[:, own] @ second

    def estimate(self) -> Estimate:
        """Normal equations of [spot, baseline ..., intercept]; the spot comes first."""
        design, k = self.design, self.design.width
        xtx: dict[tuple[int, int], F64] = {(0, 0): self.sums[:, -1]}
        xty: dict[int, F64] = {}
        for line, (i, j) in enumerate(design.pairs):
            if j == k - 1:
                xty[i + 1] = self.sums[:, line]
            else:
                xtx[i + 1, j + 1] = self.sums[:, line]
        first = len(design.pairs)
        for i in range(k - 1):
            xtx[0, i + 1] = self.sums[:, first + i]
        xty[0] = self.sums[:, first + k - 1]
        mean, error = pseudovalue_mean(xtx, xty)
        return Estimate(mean / design.mean_people, error / design.mean_people)
