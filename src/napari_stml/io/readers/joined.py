"""Several AnnData tables of the same spots (RNA, protein, ATAC), joined by barcode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.beside import images_beside
from napari_stml.io.readers.h5ad import SUFFIX, tables_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source
    from napari_stml.io.tables.disk import DiskTable


class Joined:
    """Reads a list of tables, or a folder with several.

    The observations are those of the first table that has positions; the other tables are put at
    them by barcode, and what does not match is counted in the notes.
    """

    format = "several AnnData tables of the same spots"

    def claims(self, path: Source) -> bool:
        if isinstance(path, tuple):
            return all(str(p).lower().endswith((SUFFIX, ".zarr")) for p in path)
        return isinstance(path, Path) and path.is_dir() and len(tables_in(path)) > 1

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
        from napari_stml.io.tables.disk import DiskTable

        if isinstance(path, tuple):
            files: Sequence[Path | str] = path
        else:
            files = tables_in(path) if isinstance(path, Path) else [path]
        opened = [(DiskTable(f), Path(f).name.rsplit(".", 1)[0]) for f in files]
        if not isinstance(path, tuple):
            _must_differ(opened, path)
        tables = named(opened)
        holder = with_positions(tables, positions)
        folder = files[0].parent if isinstance(files[0], Path) else None
        contents = section_of(
            holder,
            tables,
            Asked(positions, section, image, z),
            name=path.name if isinstance(path, Path) else Path(files[0]).stem,
            format_name="AnnData",
            beside=images_beside(folder) if folder else (),
            notes=_where_from(holder),
        )
        return checked(contents, holder.source)


def named(tables: Sequence[tuple[DiskTable, str]]) -> dict[str, DiskTable]:
    """Name tables by what they measure; those that measure the same by their files."""
    from napari_stml.io.readers.modality import modality_of

    found: dict[str, DiskTable] = {}
    for table, file_name in tables:
        name = modality_of(table, file_name)
        if name in found:
            name = file_name if file_name not in found else f"{file_name}-{len(found) + 1}"
        table.name = name
        found[name] = table
    return found


def with_positions(tables: Mapping[str, DiskTable], asked: str | None) -> DiskTable:
    """Find the first table that has positions (those asked for)."""
    from napari_stml.io.readers.positions import no_positions, possible_positions

    for table in tables.values():
        if asked is None:
            if possible_positions(table):
                return table
        elif asked in table.obsm_keys or {c.strip() for c in asked.split(",")} <= set(
            table.columns
        ):
            return table
    if asked is None:
        raise no_positions(next(iter(tables.values())))
    raise CannotOpenError(
        f"None of the tables has positions '{asked}'",
        where=", ".join(t.source for t in tables.values()),
        do="name an obsm entry or two obs columns of one of them",
    )


def _must_differ(tables: Sequence[tuple[DiskTable, str]], folder: Path | str) -> None:
    """Refuse a folder of several sections: barcodes of Visium are the same in all of them."""
    from napari_stml.io.readers.modality import modality_of

    kinds = [modality_of(table, name) for table, name in tables]
    unknown = [name for (_, name), kind in zip(tables, kinds, strict=True) if name == kind]
    if len(set(kinds)) < len(kinds) or len(unknown) > 1:
        raise CannotOpenError(
            f"This folder holds {len(tables)} tables, and nothing says that they are one section",
            where=folder,
            do="open one of them, or give those of the same spots together as a list: "
            + ", ".join(Path(table.source).name for table, _ in tables),
        )


def checked(contents: Contents, where: str) -> Contents:
    """Add what did not match between the tables and the observations."""
    from dataclasses import replace

    from napari_stml.io.readers.obs_tables import join_notes

    if contents.observations is None:
        return contents
    names = contents.observations.names
    return replace(
        contents,
        notes=(*contents.notes, *join_notes(contents.tables, names, Path(where), "observations")),
    )


def _where_from(holder: DiskTable) -> tuple[str, ...]:
    return (f"observations and positions are those of the table '{holder.name}'",)


READER = Joined()
