"""One trait, laid on the SNPs of the LD scores."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CHISQ_LEAST = 80.0
"""Chi-squares from here on are left out, or from a thousandth of N where that is more."""
FEW_SNPS = 200_000


@dataclass(frozen=True)
class Reference:
    """SNPs of the LD scores, in their order, with what all traits share.

    Attributes
    ----------
    baseline
        (SNPs, columns): ``all_gene``, ``base`` and conditional annotations.
    baseline_sum
        Their sum per SNP, rounded as gsMap rounds it (f16 where all columns are).
    weight
        LD to the SNPs of the regression; NaN where the weights have no such SNP.
    found
        The names as an index, where there is one already.
    """

    names: NDArray[np.object_]
    baseline: NDArray[np.float32]
    baseline_sum: NDArray[np.float32]
    weight: NDArray[np.float32]
    found: pd.Index | None = None

    @functools.cached_property
    def index(self) -> pd.Index:
        """Places of SNPs by name, made once for all traits."""
        import pandas as pd

        return self.found if self.found is not None else pd.Index(self.names, dtype=object)


@dataclass(frozen=True)
class Trait:
    """Chi-squares and numbers of people of the SNPs that enter the regression.

    Attributes
    ----------
    rows
        Places of these SNPs in the reference, ascending.
    """

    name: str
    rows: NDArray[np.int64]
    chisq: NDArray[np.float32]
    people: NDArray[np.float32]
    notes: tuple[str, ...] = ()


def baseline_sum(baseline: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sum over the columns; where all are f16 rounded to f16, as gsMap's is."""
    return np.asarray(baseline.sum(axis=1, dtype=np.float32).astype(baseline.dtype), np.float32)


def lay_on(
    reference: Reference, name: str, snps: NDArray[np.object_], z: NDArray[np.floating],
    people: NDArray[np.floating], *, chisq_max: float | None = None, blocks: int = 200,
) -> Trait:  # fmt: skip
    """Choose the SNPs of a trait: known to reference and weights, and not too extreme.

    Of a repeated SNP the first row counts.
    """
    import pandas as pd

    z, people = np.asarray(z, np.float32), np.asarray(people, np.float32)
    whole = np.isfinite(z) & np.isfinite(people)
    broken = int((~whole).sum())
    if not whole.any():
        raise StmlError("The summary statistics hold no z and N", where=name,
                        do="format them first: napari-stml gsmap format-sumstats")  # fmt: skip
    largest = float(people[whole].max())
    most = chisq_max if chisq_max is not None else max(0.001 * largest, CHISQ_LEAST)
    at = reference.index.get_indexer(pd.Index(snps, dtype=object))
    used = np.flatnonzero(whole & (at >= 0))[::-1]
    place = np.full(len(reference.names), -1, dtype=np.int64)
    place[at[used]] = used  # from the last to the first: of a repeated SNP the first row stays
    known = np.isfinite(reference.weight) & (place >= 0)
    if not known.any():
        raise StmlError(
            "No SNP of the summary statistics is among those of the LD scores", where=name,
            do="check that the names are rs numbers, and look them up by position if not "
            "(napari-stml gsmap format-sumstats --dbsnp)",
        )  # fmt: skip
    rows = np.flatnonzero(known)
    chisq = z[place[rows]] ** 2
    n = people[place[rows]]
    if (n <= 0).any():
        raise StmlError("Some numbers of people are 0 or less", where=name,
                        do="repair column N, or give one number for all (--n)")  # fmt: skip
    kept = chisq < most
    rows, chisq, n = rows[kept], chisq[kept], n[kept]
    if len(rows) < 2 * blocks:
        raise StmlError(
            f"Only {len(rows)} SNPs are in summary statistics, LD scores and weights alike; the "
            f"jackknife has {blocks} blocks", where=name,
            do="check that all are of the same build and ancestry, or use fewer blocks",
        )  # fmt: skip
    notes = [f"{name}: {len(rows)} SNPs"]
    if (~kept).any():
        notes.append(f"{name}: {int((~kept).sum())} SNPs with chi-square from {most:g} left out")
    if broken:
        notes.append(f"{name}: {broken} rows without z or N left out")
    if len(rows) < FEW_SNPS:
        notes.append(f"{name}: fewer than {FEW_SNPS} SNPs, the result is uncertain")
    return Trait(name, rows.astype(np.int64), chisq.astype(np.float32), n, tuple(notes))
