"""MuData files: several modalities of the same spots, read without mudata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.beside import images_beside

if TYPE_CHECKING:
    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source
    from napari_stml.io.tables.base import Table
    from napari_stml.io.tables.disk import DiskTable

SUFFIX = ".h5mu"


class H5mu:
    """Reads ``.h5mu`` files.

    Observations are those of the first modality with positions; where only the file as a whole
    has positions, all observations of the file.
    """

    format = "MuData (.h5mu)"

    def claims(self, path: Source) -> bool:
        return isinstance(path, Path) and path.suffix.lower() == SUFFIX and path.is_file()

    def read(
        self,
        path: Source,
        *,
        positions: str | None = None,
        section: str | None = None,
        image: str | None = None,
        z: str | None = None,
    ) -> Contents:
        """Read lazily; the choices are those of one table and concern the one with positions."""
        from napari_stml.io.readers.anndata_section import Asked, section_of
        from napari_stml.io.readers.joined import checked, named, with_positions
        from napari_stml.io.tables.disk import DiskTable

        if not isinstance(path, Path):
            raise CannotOpenError("MuData files are opened one at a time", where=path)
        modalities = _modalities(path)
        tables = named([(DiskTable(path, key=f"mod/{m}"), m) for m in modalities])
        whole = DiskTable(path, name="all modalities")
        holder = with_positions({**tables, whole.name: whole}, positions)
        contents = section_of(
            holder,
            {**tables, **_common_columns(whole, modalities, path)},
            Asked(positions, section, image, z),
            name=path.stem,
            format_name="MuData",
            beside=images_beside(path.parent, path.stem),
            notes=(f"observations and positions are those of '{holder.name}'",),
        )
        return checked(contents, str(path))


def _modalities(path: Path) -> list[str]:
    """Name the modalities in the file's own order, else RNA first."""
    import h5py

    if not h5py.is_hdf5(path):
        raise CannotOpenError(
            "This is not an HDF5 file", where=path, do="choose a file written by mudata or muon"
        )
    with h5py.File(path, "r", locking="best-effort") as file:
        if "mod" not in file or not len(file["mod"]):
            raise CannotOpenError(
                "There are no modalities in this file (group 'mod')",
                where=path,
                do="choose a file written by mudata or muon",
            )
        stored = list(file["mod"])
        order = [
            v.decode() if isinstance(v, bytes) else str(v)
            for v in file["mod"].attrs.get("mod-order", ())
        ]
    if set(order) == set(stored):
        return order
    return sorted(stored, key=lambda name: (name.lower() not in {"rna", "gex"}, name))


def _common_columns(whole: DiskTable, modalities: list[str], path: Path) -> dict[str, Table]:
    """Take the columns that describe all modalities together, such as joint clusters."""
    import pandas as pd

    from napari_stml.io.readers.obs_tables import columns_only

    own = [c for c in whole.columns if c.partition(":")[0] not in modalities]
    if not own:
        return {}
    frame = pd.DataFrame({c: whole.column(c).to_numpy() for c in own})
    table = columns_only(frame, whole.obs_names, path)
    table.name = "joint"
    return {"joint": table}


READER = H5mu()
