"""Logarithms and exponentials of half-precision numbers: there are only 65,536 of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F16 = NDArray[np.float16]
    F32 = NDArray[np.float32]


LARGEST = 65504.0
"""Of half precision; what overflowed there is taken as this."""


def logs(values: NDArray[np.floating[Any]]) -> F32:
    """Logarithms rounded to half precision, held as single."""
    return looked_up(_log_table(), values.astype(np.float16, copy=False))


def mean_of_logs(log: F32) -> F16:
    """Geometric mean over the rows: summed in single precision, in order, then rounded."""
    mean = (np.add.reduce(log, axis=0) / np.float32(len(log))).astype(np.float16)
    return np.asarray(np.exp(mean), dtype=np.float16)


def looked_up(table: NDArray[Any], values: F16) -> NDArray[Any]:
    return np.take(table, np.ascontiguousarray(values).view(np.uint16))


def by_gene(scores: NDArray[np.floating[Any]]) -> F32:
    """(genes, spots) of scores (spots, genes), single precision; none above `LARGEST`."""
    if scores.dtype != np.float16:
        found = np.ascontiguousarray(scores.T, dtype=np.float32)
        return np.asarray(np.minimum(found, np.float32(LARGEST), out=found))
    return looked_up(_singles(), scores.T)


@functools.cache
def score_table(*, fraction: bool, residuals: bool) -> F16:
    """Score of each mean log ratio; gsMap's gate makes the last step double precision."""
    with np.errstate(all="ignore"):
        ratio = np.exp(_all())
        ratio = np.where(ratio > 1, ratio, np.float16(0))
        if residuals:
            return ratio
        if fraction:
            return (np.exp(ratio.astype(np.float64)) - 1).astype(np.float16)
        return np.asarray(np.exp(ratio) - np.float16(1), dtype=np.float16)


@functools.cache
def _log_table() -> F32:
    with np.errstate(all="ignore"):
        return np.log(_all()).astype(np.float32)


@functools.cache
def _singles() -> F32:
    return np.minimum(_all().astype(np.float32), np.float32(LARGEST))


def _all() -> F16:
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)
