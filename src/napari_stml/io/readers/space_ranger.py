"""Visium: the folders that Space Ranger writes (v1, v2 and later, CytAssist).

Also the spatial files alone, without a matrix, in one flat folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.contents import Contents, Lattice, Observations
from napari_stml.io.readers.instrument_files import first_file, is_folder, one_of, read_json
from napari_stml.io.readers.obs_tables import join_notes, loose_csv_tables, tenx_tables
from napari_stml.io.readers.pitch import (
    VISIUM_SPOT_UM,
    lattice_of,
    scale_disagreement,
    visium_scale,
)
from napari_stml.io.readers.visium_images import ReferenceFinder
from napari_stml.io.readers.visium_spots import find_positions, read_positions

if TYPE_CHECKING:
    from napari_stml.core.geometry import UmPerPx
    from napari_stml.io.readers.visium_images import Reference
    from napari_stml.io.readers.visium_spots import SpotPositions
    from napari_stml.io.tables.base import Table

SCALE_FACTORS = "scalefactors_json.json"
MATRIX = {"filtered": "filtered_feature_bc_matrix", "raw": "raw_feature_bc_matrix"}


@dataclass(frozen=True)
class Layout:
    """``root`` holds the matrices (``outs``), ``spatial`` the positions; both may be one."""

    root: Path
    spatial: Path
    positions: Path

    @property
    def name(self) -> str:
        named = self.root
        while named.name in {"outs", "spatial"} and named.parent != named:
            named = named.parent
        return named.name

    @property
    def matrices(self) -> tuple[str, ...]:
        """Which of filtered and raw are there."""
        return tuple(
            kind
            for kind, stem in MATRIX.items()
            if (self.root / f"{stem}.h5").is_file() or (self.root / stem).is_dir()
        )


def find_layout(path: Path) -> Layout | None:
    """The parts of a Space Ranger folder, given it, its parent, or its spatial folder."""
    for root in (path, path / "outs"):
        for spatial in (root / "spatial", root):
            if positions := find_positions(spatial):
                home = root.parent if spatial == root and root.name == "spatial" else root
                return Layout(home, spatial, positions)
    return None


class SpaceRanger:
    """Reads Visium folders of spots."""

    format = "Space Ranger (Visium)"

    def claims(self, path: object) -> bool:
        return isinstance(path, Path) and is_folder(path) and find_layout(path) is not None

    def read(
        self,
        path: Path,
        *,
        image: str | None = None,
        in_tissue: str | bool = "yes",
        matrix: str | None = None,
    ) -> Contents:
        """Read lazily.

        Parameters
        ----------
        image
            The reference image: a file's name or path, "hires", "lowres", "detected_tissue" or
            "none". By default the full-resolution image when one lies beside that fits the
            scale factors, else the best of the bundled ones.
        in_tissue
            "yes" (spots under tissue) or "all".
        matrix
            "filtered" or "raw"; by default raw for all spots, filtered otherwise.
        """
        layout = find_layout(path)
        if layout is None:
            raise CannotOpenError("No tissue positions file in this folder", where=path)
        tissue = one_of("in_tissue", _yes_or_all(in_tissue), ("yes", "all"), path)
        scale_path = layout.spatial / SCALE_FACTORS
        scale_factors = read_json(scale_path)
        every = read_positions(layout.positions)
        spots = every if tissue == "all" else every.where(every.in_tissue)
        if not len(spots):
            raise CannotOpenError(
                "No spot is marked as under tissue",
                where=layout.positions,
                do="open with in_tissue=all",
            )
        finder = ReferenceFinder((layout.spatial,), _beside(layout), scale_factors, scale_path)
        reference = finder.choose(image, spots.xy)
        tables, chosen, table_notes = _tables(layout, spots, matrix, tissue)
        whole = lattice_of(every.rows, every.cols, every.xy * reference.scale)
        um, scale_notes = _um_per_px(whole, reference, scale_factors.get("spot_diameter_fullres"))
        return Contents(
            name=layout.name,
            format=_flavour(layout),
            images=reference.images,
            observations=_observations(spots, reference.scale, whole, um),
            tables=tables,
            um_per_px=um,
            choices={
                "image": reference.choices,
                "in_tissue": ("yes", "all"),
                **({"matrix": layout.matrices} if layout.matrices else {}),
            },
            chosen={"image": reference.name, "in_tissue": tissue, **chosen},
            notes=(*reference.notes, *scale_notes, *table_notes),
        )


def _yes_or_all(value: str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "all"
    return value


def _beside(layout: Layout) -> tuple[Path, ...]:
    """Where a full-resolution image may lie: in the folder itself, and beside ``outs``."""
    above = (layout.root.parent,) if layout.root.name == "outs" else ()
    return tuple(dict.fromkeys((layout.spatial, layout.root, *above)))


def _flavour(layout: Layout) -> str:
    assisted = first_file(layout.spatial, ("cytassist_image.tiff", "cytassist_image.tif"))
    return "Visium (CytAssist)" if assisted else "Visium"


def _um_per_px(
    lattice: Lattice, reference: Reference, diameter: Any
) -> tuple[UmPerPx | None, tuple[str, ...]]:
    """Of the reference image; the pitch comes from all spots, also those off the tissue."""
    known = isinstance(diameter, int | float)
    um, notes = visium_scale(lattice, diameter * reference.scale if known else None)
    stated = reference.slide.um_per_px if reference.slide is not None else None
    if um is not None and stated is not None:
        notes += scale_disagreement(um, stated)
    return um, notes


def _observations(
    spots: SpotPositions, scale: float, whole: Lattice, um: UmPerPx | None
) -> Observations:
    return Observations(
        kind="spots",
        names=spots.names,
        xy=spots.xy * scale,
        radius_px=VISIUM_SPOT_UM / 2 / um.mean if um is not None else None,
        lattice=Lattice(spots.rows, spots.cols, whole.hexagonal, whole.pitch_px),
    )


def _tables(
    layout: Layout, spots: SpotPositions, matrix: str | None, tissue: str
) -> tuple[dict[str, Table], dict[str, str], tuple[str, ...]]:
    chosen: dict[str, str] = {}
    tables: dict[str, Table] = {}
    notes: tuple[str, ...] = ()
    if layout.matrices or matrix is not None:
        kind: Literal["filtered", "raw"] = "raw" if tissue == "all" else "filtered"
        if matrix is None:
            taken = kind if kind in layout.matrices else layout.matrices[0]
        else:
            taken = one_of("matrix", matrix, layout.matrices, layout.root)
        chosen["matrix"] = taken
        tables = tenx_tables(layout.root, MATRIX[taken])
        notes = join_notes(tables, spots.names, layout.root, "spots")
    else:
        notes = ("there is no matrix in this folder",)
    for folder in dict.fromkeys((layout.root, layout.spatial)):
        loose, loose_notes = loose_csv_tables(folder, spots.names, but={layout.positions})
        tables |= {name: table for name, table in loose.items() if name not in tables}
        notes += loose_notes
    return tables, chosen, notes


READER = SpaceRanger()
