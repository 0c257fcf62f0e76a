"""Means of ranks over several sections, in gsMap's parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.gsmap.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def read_slice_mean(
    path: str | Path,
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Genes, their mean rank and the share of spots that express them."""
    table = read_table(path)
    if "gene" in table.columns:
        table = table.set_index("gene")
    missing = [c for c in ("G_Mean", "frac") if c not in table.columns]
    if missing:
        raise CannotOpenError(f"A mean over sections has a column {missing[0]}", where=path,
                              do="make it with gsmap create-slice-mean")  # fmt: skip
    genes = tuple(map(str, table.index))
    mean, share = (table[c].to_numpy(dtype=np.float64) for c in ("G_Mean", "frac"))
    return genes, mean, share


def write_slice_mean(
    path: str | Path, genes: Sequence[str], mean: NDArray[np.float64], share: NDArray[np.float64]
) -> None:
    import pandas as pd

    table = pd.DataFrame({"G_Mean": mean, "frac": share}, index=pd.Index(genes, name="gene"))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
