"""The hexagonal Visium lattice: 55 um spots, 100 um from centre to centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray
    from napari_stml.demo.layout import Layout

SPOT_UM = 55.0
PITCH_UM = 100.0
_ROW_UM = PITCH_UM * np.sqrt(3) / 2
_TURN_DEGREES = 0.7
"""Slides are never mounted quite straight."""


@dataclass(frozen=True)
class Lattice:
    """Spots under tissue; ``cols`` have the parity of ``rows``."""

    barcodes: NDArray[np.object_]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    xy_um: FloatArray

    def __len__(self) -> int:
        return len(self.barcodes)

    def neighbours(self) -> NDArray[np.int64]:
        """Pairs (k, 2) of touching spots, each once."""
        pairs = cKDTree(self.xy_um).query_pairs(1.1 * PITCH_UM, output_type="ndarray")
        return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], dtype=np.int64)


def place(
    rng: np.random.Generator, layout: Layout, n_rows: int, n_cols: int, taken: set[str]
) -> Lattice:
    """Spots of a capture area in the slide's middle; barcodes are new and enter ``taken``."""
    row, col = np.divmod(np.arange(n_rows * n_cols), n_cols)
    col = 2 * col + row % 2
    x = (col - n_cols + 0.5) * PITCH_UM / 2
    y = (row - (n_rows - 1) / 2) * _ROW_UM
    t = np.deg2rad(_TURN_DEGREES)
    xy = np.stack([x * np.cos(t) - y * np.sin(t), x * np.sin(t) + y * np.cos(t)], axis=1)
    xy += np.array([layout.width_um, layout.height_um]) / 2
    under = layout.tissue_at(xy) > 0.5
    return Lattice(
        _barcodes(rng, int(under.sum()), taken), row[under].astype(np.int64),
        col[under].astype(np.int64), xy[under],
    )  # fmt: skip


def _barcodes(rng: np.random.Generator, n: int, taken: set[str]) -> NDArray[np.object_]:
    letters = np.array(list("ACGT"))
    out: list[str] = []
    while len(out) < n:
        code = "".join(letters[rng.integers(0, 4, 16)]) + "-1"
        if code not in taken:
            taken.add(code)
            out.append(code)
    return np.array(out, dtype=object)
