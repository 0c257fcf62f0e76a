"""The best type per row, how sure it is, and names mapped through a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

COMMON: tuple[tuple[str, str], ...] = (
    ("epithelium", "EPCAM, KRT8, KRT18, KRT19, CDH1"),
    ("fibroblasts", "COL1A1, COL1A2, COL3A1, DCN, LUM"),
    ("smooth muscle", "ACTA2, MYH11, TAGLN, CNN1, DES"),
    ("endothelium", "PECAM1, VWF, CLDN5, CDH5, EGFL7"),
    ("T cells", "CD3D, CD3E, CD2, TRAC, CD8A"),
    ("B cells", "MS4A1, CD79A, CD19, BANK1"),
    ("plasma cells", "IGKC, JCHAIN, MZB1, IGHG1, XBP1"),
    ("macrophages", "CD68, CD163, C1QA, C1QB, LYZ"),
    ("adipocytes", "ADIPOQ, PLIN1, FABP4, CFD"),
    ("nerve", "S100B, PLP1, SNAP25, RBFOX3, GFAP"),
)
"""Well-known markers of what most tissues contain; a start, to be edited."""


def best(scores: NDArray[np.float64], spread: float) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Best column per row, and its confidence: (best - second) / spread.

    ``spread`` is the sd of all scores of the section, so that noise, whose scores lie close
    together, is not confident anywhere.
    """
    winner = scores.argmax(axis=1).astype(np.int32)
    if scores.shape[1] == 1:
        margin = scores[:, 0]
    else:
        two = np.partition(scores, scores.shape[1] - 2, axis=1)[:, -2:]
        margin = two[:, 1] - two[:, 0]
    return winner, margin / spread if spread > 0 else np.zeros(len(scores))


def group_means(
    values: NDArray[np.float64], codes: NDArray[Any], groups: int
) -> NDArray[np.float64]:
    """Mean of the rows of every group; NaN where a group has none. Codes below 0 count nowhere."""
    known = codes >= 0
    total = np.zeros((groups, values.shape[1]))
    np.add.at(total, codes[known], values[known])
    size = np.bincount(codes[known], minlength=groups).astype(np.float64)[:, None]
    return np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0)


def mapped(
    names: Sequence[str], dictionary: Mapping[str, str], keep: bool
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """New code of every name and the new names; unmapped names stay, or become -1."""
    new = [dictionary.get(name, name if keep else "") for name in names]
    categories = tuple(dict.fromkeys(name for name in new if name))
    place = {name: i for i, name in enumerate(categories)}
    return np.array([place.get(name, -1) for name in new], dtype=np.int32), categories
