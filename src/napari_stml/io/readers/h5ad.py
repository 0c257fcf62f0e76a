"""One AnnData table (``.h5ad`` or zarr), or a folder that holds one and perhaps an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.beside import images_beside

if TYPE_CHECKING:
    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source

SUFFIX = ".h5ad"


class H5ad:
    """Reads AnnData tables with positions."""

    format = "AnnData (.h5ad)"

    def claims(self, path: Source) -> bool:
        if isinstance(path, tuple):
            return False
        if isinstance(path, str):
            return path.endswith(".zarr") and _is_anndata(path)
        if path.is_dir():
            return len(tables_in(path)) == 1 or _is_anndata(path)
        return path.suffix.lower() == SUFFIX

    def read(
        self,
        path: Source,
        *,
        positions: str | None = None,
        section: str | None = None,
        image: str | None = None,
        z: str | None = None,
    ) -> Contents:
        """Read lazily.

        Parameters
        ----------
        positions
            An obsm entry, or two obs columns as "x,y"; by default "spatial", then similar names.
        section
            The library, where ``uns["spatial"]`` or a column ``library_id`` has several; by
            default the first.
        image
            A key of the library's images ("hires", "lowres"), the name or path of an image file,
            or "none"; by default the library's hires, else an image beside the file into which
            the positions fall.
        z
            One plane of positions with three columns, or "all" (the default).
        """
        from napari_stml.io.readers.anndata_section import Asked, section_of
        from napari_stml.io.readers.modality import modality_of
        from napari_stml.io.tables.disk import DiskTable

        if isinstance(path, tuple):
            raise CannotOpenError("One table is opened at a time here", where=path)
        file, folder = _table_and_folder(path)
        table = DiskTable(file)
        table.name = modality_of(table, "", "RNA")
        beside = images_beside(folder, Path(file).name.removesuffix(SUFFIX)) if folder else []
        return section_of(
            table,
            {table.name: table},
            Asked(positions, section, image, z),
            name=_name(path, folder),
            format_name="AnnData",
            beside=beside,
            notes=_not_read(path, beside) if isinstance(path, Path) and path.is_dir() else (),
        )


def tables_in(folder: Path) -> list[Path]:
    """List the .h5ad files of a folder, by name, without hidden ones."""
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() == SUFFIX and p.is_file() and not p.name.startswith(".")
    )


def _table_and_folder(path: Path | str) -> tuple[Path | str, Path | None]:
    """Give the table, and the folder in which an image may lie."""
    if isinstance(path, str):
        return path, None
    if path.is_dir():
        return (path, path.parent) if _is_anndata(path) else (tables_in(path)[0], path)
    # A file among several tables: an image beside may belong to any of them.
    return path, path.parent if len(tables_in(path.parent)) == 1 else None


def _name(path: Path | str, folder: Path | None) -> str:
    if isinstance(path, str):
        return path.rsplit("/", 1)[-1].removesuffix(".zarr")
    return path.name if path.is_dir() else path.stem


def _not_read(folder: Path, beside: list[Path]) -> tuple[str, ...]:
    known = {*beside, *tables_in(folder)}
    others = sorted(
        p.name for p in folder.iterdir() if p not in known and not p.name.startswith(".")
    )
    if not others:
        return ()
    shown = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
    return (f"not read: {shown}",)


def _is_anndata(path: Path | str) -> bool:
    from napari_stml.io.readers.zarr_root import root_kind

    return root_kind(path) == "anndata"


READER = H5ad()
