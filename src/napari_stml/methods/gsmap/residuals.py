"""Analytic Pearson residuals (Lause, Berens, Kobak 2021, doi:10.1186/s13059-021-02451-7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

THETA, CLIP = np.float32(100), 10.0


def pearson_residuals(counts: csr_matrix) -> NDArray[np.float32]:
    """(count - expected) / spread of a negative binomial, clipped at 10; f32 as in scanpy."""
    dense = counts.toarray().astype(np.float32)
    of_spot, of_gene = dense.sum(axis=1, keepdims=True), dense.sum(axis=0, keepdims=True)
    expected = of_spot @ of_gene / dense.sum()
    spread = np.sqrt(expected + expected**2 / THETA)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (dense - expected) / spread
    return np.asarray(np.clip(np.nan_to_num(found), -CLIP, CLIP), dtype=np.float32)
