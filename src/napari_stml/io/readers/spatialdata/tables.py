"""Which tables annotate which elements, and tables seen as rows of another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.modality import named_modality
from napari_stml.io.tables import frame
from napari_stml.io.tables.base import FloatVector, Table
from napari_stml.io.tables.disk import DiskTable
from napari_stml.io.tables.names import as_text, checked_obs_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.io.readers.spatialdata.files import StoreFiles

RUN_PREFIX = "stml."
"""Tables that begin so hold values of Runs; they are no modalities."""


@dataclass(frozen=True)
class TableRole:
    """What a table annotates; ``regions`` is empty for a table that annotates nothing."""

    name: str
    regions: tuple[str, ...]
    region_key: str = ""
    instance_key: str = ""

    @property
    def of_run(self) -> bool:
        return self.name.startswith(RUN_PREFIX)


def table_role(files: StoreFiles, name: str) -> TableRole:
    """Read what a table annotates from its attributes."""
    attrs = files.element_attrs("tables", name)
    region = attrs.get("region")
    if region is None or region == []:
        return TableRole(name, ())
    regions = (str(region),) if isinstance(region, str) else tuple(str(r) for r in region)
    keys = [attrs.get("region_key"), attrs.get("instance_key")]
    for key, value in zip(("region_key", "instance_key"), keys, strict=True):
        if not isinstance(value, str) or not value:
            raise CannotOpenError(
                f"The table '{name}' annotates '{', '.join(regions)}' but has no {key}",
                where=files.at("tables", name),
                do="set it with spatialdata's TableModel.parse and write the table again",
            )
    return TableRole(name, regions, str(keys[0]), str(keys[1]))


def groups_of(roles: Sequence[TableRole]) -> list[tuple[TableRole, ...]]:
    """Tables that annotate common elements belong together, as modalities, RNA first."""
    groups: list[list[TableRole]] = []

    def order(role: TableRole) -> tuple[bool, bool, str]:
        return role.name != "table", named_modality(role.name) != "RNA", role.name

    for role in sorted(roles, key=order):
        for group in groups:
            if any(set(role.regions) & set(other.regions) for other in group):
                group.append(role)
                break
        else:
            if role.regions:
                groups.append([role])
    return [tuple(group) for group in groups]


class StoreTable(DiskTable):
    """A table of a store with several sections, in which a barcode may occur once per section.

    Repeated names get their region in front.
    """

    def __init__(self, files: StoreFiles, role: TableRole) -> None:
        super().__init__(files.root, key=f"tables/{role.name}", name=role.name)
        self.role = role

    @cached_property
    def obs_names(self) -> NDArray[np.object_]:
        obs = self._tree.group["obs"]
        names = as_text(frame.frame_index(obs))
        several = len(self.role.regions) > 1 and self.role.region_key in self.columns
        if several and len(set(names)) < len(names):
            regions = as_text(frame.read_column(obs, self.role.region_key))
            names = np.array(
                [f"{r}/{n}" for r, n in zip(regions, names, strict=True)], dtype=object
            )
        return checked_obs_names(names, self.source)

    def annotation(self) -> tuple[NDArray[np.object_], NDArray[Any]]:
        """Read region and instance id of every row."""
        for key in (self.role.region_key, self.role.instance_key):
            if key not in self.columns:
                raise CannotOpenError(
                    f"The table '{self.name}' lacks its column '{key}'",
                    where=self.source,
                    do="write the table again with spatialdata",
                )
        region = self.column(self.role.region_key).astype(object).to_numpy()
        instance = self.column(self.role.instance_key)
        if hasattr(instance, "cat"):
            instance = instance.astype(object)
        return region, instance.to_numpy()


def row_names(table: Table, instance: NDArray[Any]) -> NDArray[np.object_]:
    """Names that a user knows: the table's own, or text ids where it only counts its rows."""
    names = table.obs_names
    counted = len(names) > 0 and str(names[0]) == "0" and str(names[-1]) == str(len(names) - 1)
    if counted and all(isinstance(i, str) for i in instance) and len(set(instance)) == len(names):
        return np.asarray(instance, dtype=object)
    return names


class RowsOf(Table):
    """Some rows of a table under other names."""

    def __init__(self, base: Table, rows: NDArray[np.intp], names: NDArray[np.object_]) -> None:
        self.name = base.name
        self.source = base.source
        self._base = base
        self._rows = rows
        self._names = names

    @property
    def obs_names(self) -> NDArray[np.object_]:
        return self._names

    @property
    def var_names(self) -> NDArray[np.object_]:
        return self._base.var_names

    @property
    def columns(self) -> tuple[str, ...]:
        return self._base.columns

    @property
    def layers(self) -> tuple[str, ...]:
        return self._base.layers

    @property
    def obsm_keys(self) -> tuple[str, ...]:
        return self._base.obsm_keys

    @property
    def obsp_keys(self) -> tuple[str, ...]:
        return self._base.obsp_keys

    def column(self, name: str) -> pd.Series[Any]:
        import pandas as pd

        taken = self._base.column(name).iloc[self._rows]
        return taken.set_axis(pd.Index(self._names))

    def var(self) -> pd.DataFrame:
        return self._base.var()

    def obsm(self, key: str) -> NDArray[Any]:
        return np.asarray(self._base.obsm(key)[self._rows])

    def obsm_names(self, key: str) -> tuple[str, ...]:
        return self._base.obsm_names(key)

    def uns(self, key: str) -> Any:
        return self._base.uns(key)

    def gene(self, name: str, layer: str | None = None) -> FloatVector:
        return self._base.gene(name, layer)[self._rows]

    def genes(self, names: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        return self._base.genes(names, layer)[self._rows]

    def rows(self, index: NDArray[np.intp], layer: str | None = None) -> csr_matrix:
        return self._base.rows(self._rows[index], layer)

    def to_anndata(self, index: NDArray[np.intp] | None = None) -> ad.AnnData:
        taken = np.arange(len(self._rows)) if index is None else index
        adata = self._base.to_anndata(self._rows[taken])
        adata.obs_names = list(self._names[taken])
        return adata

    def close(self) -> None:
        self._base.close()


def rows_of(base: Table, rows: NDArray[np.intp], names: NDArray[np.object_]) -> Table:
    """The table itself where nothing changes, else `RowsOf`."""
    whole = len(rows) == len(base.obs_names) and bool((rows == np.arange(len(rows))).all())
    if whole and bool((base.obs_names == names).all()):
        return base
    return RowsOf(base, rows, names)
