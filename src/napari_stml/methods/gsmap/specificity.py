"""Gene specificity scores: how much higher a gene ranks in a microdomain than on the slide.

gsMap computes in half precision, and p-values are published that way; ``exact`` repeats its
roundings one by one. Otherwise single precision is used: faster, and closer to the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.gsmap import halves

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.methods.gsmap.ranks import Ranks

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

BLOCK_BYTES = 2 << 20
"""Of the dense log ranks that are held at once."""
NOTHING = 1e-12


@dataclass(frozen=True)
class Rules:
    """How scores are made of ranks.

    Attributes
    ----------
    fraction
        A gene counts only where more of the microdomain's spots have it than of all spots.
    residuals
        The ranks are those of Pearson residuals: the ratio itself is the score.
    exact
        In half precision, as gsMap.
    """

    fraction: bool = True
    residuals: bool = False
    exact: bool = True


def specificity(
    ranks: Ranks, expressed: csr_matrix, domains: csr_matrix, rules: Rules, *,
    mean: F64 | None = None, share: F64 | None = None, out: NDArray[Any] | None = None,
) -> Generator[float, None, NDArray[Any]]:  # fmt: skip
    """Score every gene in every spot: (spots, genes), f16 or f32.

    Parameters
    ----------
    expressed
        Spots x genes; its stored entries are those that are not 0.
    domains
        Rows of ones: the members of each spot's microdomain.
    mean, share
        Of several sections (`slice_mean`), in place of this section's own.
    out
        Where the scores are written, for a section that memory does not hold.
    """
    n, genes = expressed.shape
    dtype = np.float16 if rules.exact else np.float32
    result: NDArray[Any] = np.empty((n, genes), dtype) if out is None else out
    size = np.diff(domains.indptr)[:, None]
    small = np.uint8 if size.max() < 256 else np.uint16
    members = domains.astype(small)
    present = expressed.tocsc().astype(bool)
    share = np.diff(present.indptr) / n + NOTHING if share is None else share
    block = _exact if rules.exact else _plain
    for first, last in _blocks(n, genes):
        gate = None
        if rules.fraction:
            here = present[:, first:last].toarray().view(np.uint8).astype(small, copy=False)
            gate = (members @ here) / size / share[first:last] > 1
        own = None if mean is None else mean[first:last]
        result[:, first:last] = block(ranks, (first, last), own, domains, size, gate, rules)
        yield last / genes
    return result


def geometric_means(ranks: Ranks, *, exact: bool) -> NDArray[Any]:
    """Geometric mean over the spots of each gene's rank."""
    n, genes = ranks.others.shape
    found = np.empty(genes, np.float16 if exact else np.float32)
    for first, last in _blocks(n, genes):
        if exact:
            found[first:last] = halves.mean_of_logs(halves.logs(_dense(ranks, first, last)))
        else:
            found[first:last] = np.exp(np.log(_dense(ranks, first, last)).mean(axis=0))
    return found


def _exact(
    ranks: Ranks, where: tuple[int, int], mean: F64 | None, domains: csr_matrix,
    size: NDArray[Any], gate: NDArray[np.bool_] | None, rules: Rules,
) -> NDArray[np.float16]:  # fmt: skip
    rank = _dense(ranks, *where).astype(np.float16)
    if mean is None:
        general = halves.mean_of_logs(halves.logs(rank))
        ratio = (rank.astype(np.float32) / general.astype(np.float32)).astype(np.float16)
    else:
        ratio = (rank.astype(np.float64) / mean).astype(np.float16)
    total = domains @ halves.logs(ratio)
    average = (total / size.astype(np.float32)).astype(np.float16)
    table = halves.score_table(fraction=rules.fraction, residuals=rules.residuals)
    found = halves.looked_up(table, average)
    if gate is not None:
        found *= gate
    return found


def _plain(
    ranks: Ranks, where: tuple[int, int], mean: F64 | None, domains: csr_matrix,
    size: NDArray[Any], gate: NDArray[np.bool_] | None, rules: Rules,
) -> F32:  # fmt: skip
    log = _dense(ranks, *where)
    np.log(log, out=log)
    general = log.mean(axis=0) if mean is None else np.log(mean).astype(np.float32)
    found = domains @ log
    found /= size.astype(np.float32)
    found -= general
    np.exp(found, out=found)
    above = found > 1 if gate is None else gate & (found > 1)
    if not rules.residuals:
        np.expm1(found, out=found)
    found *= above
    return np.asarray(found, dtype=np.float32)


def _dense(ranks: Ranks, first: int, last: int) -> F32:
    """Ranks of some genes in all spots, those of the zeros filled in."""
    part = ranks.others[:, first:last]
    out = np.empty((len(ranks.of_zero), last - first), np.float32)
    out[:] = ranks.of_zero[:, None]
    columns = np.repeat(np.arange(last - first), np.diff(part.indptr))
    out[part.indices, columns] = part.data
    return out


def _blocks(n: int, genes: int) -> Iterator[tuple[int, int]]:
    width = max(16, BLOCK_BYTES // (4 * max(n, 1)))
    for first in range(0, genes, width):
        yield first, min(first + width, genes)
