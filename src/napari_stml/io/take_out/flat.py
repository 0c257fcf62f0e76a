"""Observations as a flat table: CSV for spreadsheets and R, parquet for what is big."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.tables.names import align, at_observations, positions
from napari_stml.io.take_out.h5ad import TakenOut
from napari_stml.io.take_out.selection import aligned_columns, chosen, storable
from napari_stml.io.take_out.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.contents import Observations
    from napari_stml.io.tables.base import Table

BLOCK_CELLS = 20_000_000
FEW_GENES = 64
"""Up to here genes are read one by one (a short read each), beyond as blocks of rows."""


def to_csv(
    path: str | Path,
    observations: Observations,
    table: Table | None = None,
    *,
    columns: pd.DataFrame | None = None,
    genes: Sequence[str] = (),
    layer: str | None = None,
    selection: ArrayLike | None = None,
    um_per_px: float | None = None,
    overwrite: bool = False,
) -> TakenOut:
    """Write one line per observation: name, position, table's columns, yours, genes.

    Parameters
    ----------
    columns
        Further columns indexed by observation names; they replace the table's of equal name.
    genes, layer
        Genes of ``table`` to write as columns.
    selection
        Mask, positions or names; all when None.
    um_per_px
        Adds x_um and y_um.

    Values that are not known are empty cells, also where the table lacks an observation.
    """
    plan = _Plan.of(observations, table, columns, genes, layer, selection, um_per_px)
    with (
        whole_file(path, overwrite=overwrite) as staged,
        staged.open("w", encoding="utf-8", newline="") as file,
    ):
        for i, block in enumerate(plan.blocks()):
            block.to_csv(file, index=False, header=i == 0, lineterminator="\n")
    return plan.done(path)


def to_parquet(
    path: str | Path,
    observations: Observations,
    table: Table | None = None,
    *,
    columns: pd.DataFrame | None = None,
    genes: Sequence[str] = (),
    layer: str | None = None,
    selection: ArrayLike | None = None,
    um_per_px: float | None = None,
    overwrite: bool = False,
) -> TakenOut:
    """Write the table of `to_csv` as parquet; text columns are dictionaries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan = _Plan.of(observations, table, columns, genes, layer, selection, um_per_px)
    with whole_file(path, overwrite=overwrite) as staged, ExitStack() as stack:
        writer: Any = None
        for block in plan.blocks():
            arrow = pa.Table.from_pandas(block, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(staged, arrow.schema))
            writer.write_table(arrow)
    return plan.done(path)


@dataclass(frozen=True)
class _Plan:
    observations: Observations
    rows: NDArray[np.intp]
    table: Table | None
    index: NDArray[np.intp]
    frame: pd.DataFrame
    genes: tuple[str, ...]
    layer: str | None

    @classmethod
    def of(
        cls,
        observations: Observations,
        table: Table | None,
        columns: pd.DataFrame | None,
        genes: Sequence[str],
        layer: str | None,
        selection: ArrayLike | None,
        um_per_px: float | None,
    ) -> _Plan:
        import pandas as pd

        rows = chosen(observations, selection)
        names = observations.names[rows]
        xy = observations.xy[rows]
        found: dict[str, Any] = {"barcode": names, "x": xy[:, 0], "y": xy[:, 1]}
        if um_per_px is not None:
            found |= {"x_um": xy[:, 0] * um_per_px, "y_um": xy[:, 1] * um_per_px}
        index = np.full(len(rows), -1, dtype=np.intp)
        if table is not None:
            index, _ = align(table, names)
            for column in table.columns:
                stored = table.column(column).reset_index(drop=True)
                found.setdefault(column, stored.reindex(index).reset_index(drop=True))
        elif genes:
            raise CannotSaveError("Genes need a table", do="choose a table")
        for column, values in aligned_columns(columns, names).items():
            if column in ("barcode", "x", "y"):
                raise CannotSaveError(f"A column may not be called '{column}'", do="rename it")
            found[column] = values.reset_index(drop=True)
        clash = [g for g in genes if g in found]
        if clash:
            raise CannotSaveError(f"'{clash[0]}' is a gene and a column", do="rename the column")
        frame = pd.DataFrame(
            {k: storable(pd.Series(v)) if k != "barcode" else v for k, v in found.items()}
        )
        return cls(observations, rows, table, index, frame, tuple(genes), layer)

    def blocks(self) -> Iterator[pd.DataFrame]:
        import pandas as pd

        width = len(self.frame.columns) + len(self.genes)
        step = max(1, min(200_000, BLOCK_CELLS // width))
        few = self._few() if len(self.genes) <= FEW_GENES else None
        for first in range(0, len(self.rows), step):
            block = self.frame.iloc[first : first + step].reset_index(drop=True)
            if self.genes:
                values = few[first : first + step] if few is not None else self._many(first, step)
                expression = pd.DataFrame(values, columns=list(self.genes))
                block = pd.concat([block, expression], axis=1)
            yield block

    def _few(self) -> NDArray[Any] | None:
        if self.table is None or not self.genes:
            return None
        return at_observations(self.table.genes(self.genes, self.layer), self.index)

    def _many(self, first: int, step: int) -> NDArray[Any]:
        if self.table is None:
            raise CannotSaveError("Genes need a table", do="choose a table")
        places = positions(self.table.var_names, self.genes)
        if (places < 0).any():
            self.table.gene(self.genes[int(np.argmin(places))], self.layer)  # raises its error
        index = self.index[first : first + step]
        missing = index < 0
        found = self.table.rows(np.where(missing, 0, index), self.layer)[:, places]
        values: NDArray[Any] = found.toarray().astype(np.float32)
        values[missing] = np.nan
        return values

    def done(self, path: str | Path) -> TakenOut:
        lacking = int((self.index < 0).sum()) if self.table is not None else 0
        notes = (f"{lacking:,} observations are not in the table; their cells are empty.",)
        return TakenOut(Path(path), len(self.rows), len(self.genes), 0, notes if lacking else ())
