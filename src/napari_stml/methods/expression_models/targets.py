"""What is to be predicted: log-normalised and scaled, or raw counts; perhaps smoothed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.methods.expression.normalise import log_per_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.methods.expression_models.samples import Slide

Standardise = Literal["training spots", "all spots", "each section"]
NEAR_STEPS = 1.5
"""6 neighbours on a hexagonal array, 8 on a square one."""


@dataclass(frozen=True)
class Targets:
    """One matrix (spots, genes) per section in the model's units, and the way back.

    ``mean`` and ``spread`` turn a prediction into log-normalised values; raw counts have
    ``mean`` 0 and ``spread`` 1. ``kept`` are the columns asked for that vary.
    """

    genes: tuple[str, ...]
    values: tuple[NDArray[np.float32], ...]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    counts: bool
    constant: tuple[str, ...]


def log_values(counts: csr_matrix, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """log1p of counts per 10,000 over all genes, of some columns."""
    return np.asarray(log_per_target(counts, 1e4)[:, columns].toarray(), dtype=np.float32)


def smoothed(values: NDArray[Any], xy_steps: NDArray[Any]) -> NDArray[np.float32]:
    """Mean over each spot and its neighbours on the array."""
    from scipy.sparse import coo_matrix, identity
    from scipy.spatial import cKDTree

    n = len(values)
    pairs = cKDTree(xy_steps).query_pairs(NEAR_STEPS, output_type="ndarray")
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T if len(pairs) else (pairs, pairs)
    near = coo_matrix((np.ones(len(i)), (i.ravel(), j.ravel())), shape=(n, n)) + identity(n)
    near = near.tocsr()
    return np.asarray((near @ values) / np.asarray(near.sum(axis=1)), dtype=np.float32)


def make_targets(
    slides: Sequence[Slide], genes: Sequence[str], columns: NDArray[np.intp],
    train: Sequence[NDArray[np.bool_]], *, counts: bool = False, smooth: bool = False,
    standardise: Standardise = "training spots",
) -> Targets:  # fmt: skip
    """Targets of all spots; genes that do not vary in the training part are left out by name."""
    raw = []
    for slide in slides:
        assert slide.counts is not None
        if counts:
            whole = np.asarray(slide.counts[:, columns].toarray(), dtype=np.float32)
            raw.append(_checked_counts(whole, slide.name))
        else:
            values = log_values(slide.counts, columns)
            raw.append(smoothed(values, slide.xy) if smooth else values)
    seen = np.concatenate([v[t] for v, t in zip(raw, train, strict=True)])
    varies = seen.std(axis=0) > 1e-6
    names = [genes[i] for i in columns]
    if not varies.any():
        raise StmlError(
            f"None of the {len(names)} genes varies between the training spots",
            where=", ".join(names[:5]), do="choose other genes, or check the counts",
        )  # fmt: skip
    raw = [v[:, varies] for v in raw]
    kept = tuple(n for n, v in zip(names, varies, strict=True) if v)
    constant = tuple(n for n, v in zip(names, varies, strict=True) if not v)
    one = np.ones(len(kept), dtype=np.float32)
    if counts:
        return Targets(kept, tuple(raw), 0 * one, one, True, constant)
    base = np.concatenate(raw) if standardise == "all spots" else seen[:, varies]
    mean, spread = base.mean(axis=0), base.std(axis=0)
    if standardise == "each section":
        scaled = tuple(
            (v - v[t].mean(axis=0)) / spread if t.any() else (v - v.mean(axis=0)) / spread
            for v, t in zip(raw, train, strict=True)
        )
    else:
        scaled = tuple((v - mean) / spread for v in raw)
    return Targets(kept, scaled, mean, spread, False, constant)


def _checked_counts(values: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    if values.size and (np.abs(values - np.round(values)) > 1e-3).any():
        raise StmlError(
            "The loss 'zinb' needs raw counts, and this matrix holds fractions", where=where,
            do="choose the layer with raw counts, or another loss",
        )  # fmt: skip
    return values
