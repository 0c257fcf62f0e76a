"""A section around an AnnData table: positions, one library, image and scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine
from napari_stml.io.contents import Contents, ObservationKind, Observations, PlacedSlide
from napari_stml.io.readers.anndata_images import (
    Library,
    libraries,
    library_column,
    open_image,
)
from napari_stml.io.readers.anndata_scale import scale_and_guess
from napari_stml.io.readers.pitch import VISIUM_SPOT_UM, looks_hexagonal, pitch_px
from napari_stml.io.readers.positions import array_lattice, find_positions, no_positions
from napari_stml.io.readers.side_by_side import SIDE_BY_SIDE, side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.io.contents import Lattice
    from napari_stml.io.readers.positions import Positions
    from napari_stml.io.slides.base import Slide
    from napari_stml.io.tables.base import Table
    from napari_stml.io.tables.disk import DiskTable

CELL_COLUMNS = ("cell_id", "cell_area", "cell_ID", "CellId", "nucleus_area", "fov", "volume")
INSIDE_ENOUGH = 0.9
NO_IMAGE = "none"


@dataclass(frozen=True)
class Asked:
    """The user's choices; None takes the default."""

    positions: str | None = None
    section: str | None = None
    image: str | None = None
    z: str | None = None


@dataclass(frozen=True)
class _Image:
    """The reference image, its choice's name, and its pixels per pixel of the positions."""

    chosen: str
    possible: tuple[str, ...]
    slide: Slide | None = None
    scale: float = 1.0
    notes: tuple[str, ...] = ()


def section_of(
    table: DiskTable,
    tables: Mapping[str, Table],
    asked: Asked,
    *,
    name: str,
    format_name: str,
    beside: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> Contents:
    """Build the contents around the table that has the positions."""
    found = find_positions(table, asked.positions)
    if found is None:
        raise no_positions(table)
    said = list(notes)
    stored = libraries(table)
    library, sections, mine, of_row = _library(table, stored, asked.section, said)
    plane, inside = _plane(table, found, asked.z)
    known = np.isfinite(found.xy).all(axis=1)
    if lost := int((mine & inside & ~known).sum()):
        said.append(f"{lost} of {int((mine & inside).sum())} observations have no position")
    rows = np.flatnonzero(mine & inside & known)
    if not len(rows):
        raise CannotOpenError(
            f"No observation has a position in '{found.chosen}'",
            where=table.source,
            do="choose other positions from: " + "; ".join(found.possible),
        )
    several = _several(found, of_row, sections, asked)
    if several is not None:
        image = _Image(NO_IMAGE, (NO_IMAGE,))
        laid, first, said_more = _laid_out(found.xy, rows, *several)
        said.append(said_more)
    else:
        image = _image(table, stored.get(library or ""), found.xy[rows], asked.image, beside)
        laid, first = found.xy[rows] * image.scale, rows
    xy = found.xy[first] * image.scale
    lattice = array_lattice(table, first, xy)
    um, guess, scale_notes = scale_and_guess(
        table, stored.get(library or ""), lattice, xy, image.slide, image.scale
    )
    kind = _kind(table, lattice, stored.get(library or ""))
    observations = Observations(
        kind=kind,
        names=table.obs_names[rows],
        xy=laid,
        radius_px=_radius(kind, lattice, stored.get(library or ""), xy, image.scale),
        lattice=lattice if several is None else None,  # rows and columns repeat
    )
    planes = {"z": ("all", SIDE_BY_SIDE, *found.planes)} if found.planes else {}
    more = (SIDE_BY_SIDE,) if of_row is not None else ()
    taken = SIDE_BY_SIDE if asked.section == SIDE_BY_SIDE else library
    return Contents(
        name=name,
        format=format_name,
        images=_placed(image),
        observations=observations,
        tables=tables,
        um_per_px=um,
        um_per_px_guess=guess,
        choices={
            "positions": found.possible,
            **({"section": (*sections, *more)} if sections else {}),
            "image": image.possible,
            **planes,
        },
        chosen={
            "positions": found.chosen,
            **({"section": taken} if sections and taken else {}),
            "image": image.chosen,
            **({"z": plane} if planes else {}),
        },
        notes=(*said, *image.notes, *scale_notes),
    )


def _several(
    found: Positions, of_row: NDArray[np.object_] | None, sections: Sequence[str], asked: Asked
) -> tuple[NDArray[np.object_], Sequence[str]] | None:
    """The section of every row and their order, where they are to be seen side by side."""
    if asked.section == SIDE_BY_SIDE and of_row is not None:
        return of_row, sections
    if asked.z == SIDE_BY_SIDE and found.z is not None:
        return np.array([f"{v:g}" for v in found.z], dtype=object), found.planes
    return None


def _laid_out(
    xy: NDArray[np.float64], rows: NDArray[np.intp], of_row: NDArray[np.object_],
    order: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.intp], str]:  # fmt: skip
    """Positions side by side, the rows of the first section, and words."""
    names = of_row[rows]
    present = [name for name in order if (names == name).any()]
    said = f"{len(present)} sections side by side, in the order {', '.join(present[:8])}"
    said += ", ..." if len(present) > 8 else ""
    return side_by_side(xy[rows], names, order), rows[names == present[0]], said


def _library(
    table: DiskTable, stored: Mapping[str, Library], asked: str | None, notes: list[str]
) -> tuple[str | None, tuple[str, ...], NDArray[np.bool_], NDArray[np.object_] | None]:
    """Choose the library, list all, say which rows are its own, and the library of every row."""
    everyone = np.ones(table.shape[0], dtype=bool)
    names = tuple(stored)
    column = library_column(table, names) if len(names) > 1 else None
    if len(names) < 2 and "library_id" in table.columns:
        values = table.column("library_id")
        if hasattr(values, "cat") and len(values.cat.categories) > 1:
            column, names = "library_id", tuple(str(c) for c in values.cat.categories)
    together = asked == SIDE_BY_SIDE and column is not None
    if asked is not None and asked not in names and not together:
        raise CannotOpenError(
            f"There is no section '{asked}'",
            where=table.source,
            do="choose section from: " + (", ".join(names) or "none, it holds one section"),
        )
    if column is None:
        taken = asked or next(iter(names), None)
        if len(names) > 1:
            notes.append(f"no column tells which of the sections {', '.join(names)} a row is of")
        return taken, names if len(names) > 1 else (), everyone, None
    of_row = table.column(column).astype(object).to_numpy()
    present = [n for n in names if (of_row == n).any()]
    if together:
        return present[0], names, np.isin(of_row, names), of_row
    taken = asked or next(iter(present), names[0])
    return taken, names, np.asarray(of_row == taken), of_row


def _plane(table: DiskTable, found: Positions, asked: str | None) -> tuple[str, NDArray[np.bool_]]:
    """Choose the rows of one plane of z, or all."""
    if asked is None or asked == "all" or (asked == SIDE_BY_SIDE and found.planes):
        return asked or "all", np.ones(len(found.xy), dtype=bool)
    if found.z is None or asked not in found.planes:
        raise CannotOpenError(
            f"There is no plane z={asked} in '{found.chosen}'",
            where=table.source,
            do="choose z from: " + ", ".join(("all", SIDE_BY_SIDE, *found.planes)),
        )
    return asked, np.array([f"{v:g}" == asked for v in found.z])


def _image(
    table: DiskTable,
    library: Library | None,
    xy: NDArray[np.float64],
    asked: str | None,
    beside: Sequence[Path],
) -> _Image:
    """Choose among the library's images, those beside the file, and none."""
    stored = library.images if library else ()
    files = {p.name: p for p in beside}
    possible = (*stored, *files, NO_IMAGE)
    if asked == NO_IMAGE or (asked is None and not stored and not files):
        return _Image(NO_IMAGE, possible)
    if library is not None and (asked in stored or (asked is None and stored)):
        key = asked or stored[0]
        scale = library.scale(key, table.source)
        return _Image(key, possible, open_image(table, library.name, key), scale)
    from napari_stml.io.slides import open_slide

    if asked is not None:
        path = files.get(asked) or Path(asked).expanduser()
        if not path.exists():
            raise CannotOpenError(
                f"There is no image '{asked}'",
                where=table.source,
                do="choose image from: " + ", ".join(possible),
            )
        return _Image(
            asked,
            (*possible[:-1], *((asked,) if asked not in files else ()), NO_IMAGE),
            open_slide(path),
        )
    name, path = next(iter(files.items()))
    slide = open_slide(path)
    notes = () if len(files) == 1 else (f"{len(files)} images lie beside the table; {name} taken",)
    share = float(np.mean(((xy >= 0) & (xy <= [slide.width, slide.height])).all(axis=1)))
    if share < INSIDE_ENOUGH:
        slide.close()
        return _Image(
            NO_IMAGE,
            possible,
            notes=(
                f"{name} lies beside the table, but only {share:.0%} of the positions fall inside; "
                f'to show it all the same: image="{name}"',
            ),
        )
    return _Image(name, possible, slide, notes=notes)


def placed(slide: Slide, affine: Affine | None = None) -> PlacedSlide:
    """Place a slide, its role told by its colours."""
    return PlacedSlide(slide, affine or Affine(), "brightfield" if slide.rgb else "channels")


def _placed(image: _Image) -> dict[str, PlacedSlide]:
    if image.slide is None:
        return {}
    return {image.chosen: placed(image.slide)}


def _kind(table: Table, lattice: Lattice | None, library: Library | None) -> ObservationKind:
    if lattice is not None or (library is not None and library.spot_diameter):
        return "spots"
    return "cells" if set(CELL_COLUMNS) & set(table.columns) else "spots"


def _radius(
    kind: ObservationKind,
    lattice: Lattice | None,
    library: Library | None,
    xy: NDArray[np.float64],
    scale: float,
) -> float | None:
    """Give the radius to draw: Visium's by its pitch, a stated one, else a quarter of the pitch."""
    pitch = lattice.pitch_px if lattice else pitch_px(xy)
    if pitch and ((lattice and lattice.hexagonal) or (lattice is None and looks_hexagonal(xy))):
        return pitch * VISIUM_SPOT_UM / 200
    if library is not None and library.spot_diameter:
        return library.spot_diameter * scale / 2
    return pitch / 4 if pitch and kind == "spots" else None
