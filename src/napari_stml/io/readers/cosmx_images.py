"""Where the images and cell labels of CosMx fields lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine
from napari_stml.io.readers.cosmx_frames import (
    fit_local_to_global,
    image_to_local,
    measured_orientation,
)
from napari_stml.io.readers.instrument_files import finite_xy, matching
from napari_stml.io.readers.placing import placed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.readers.cosmx_cells import Cells

LOCAL = ("CenterX_local_px", "CenterY_local_px")
IMAGE_PATTERNS = ("*.jpg", "*.jpeg", "*.png", "*.tif", "*.tiff")
ORIENTATION_WITHOUT_LABELS = "flip y"
_FIELD = re.compile(r"_F(\d+)", re.IGNORECASE)


def images_by_field(folder: Path) -> dict[int, Path]:
    found = ((p, _FIELD.search(p.name)) for p in matching(folder, *IMAGE_PATTERNS))
    return dict(sorted((int(match[1]), path) for path, match in found if match))


@dataclass(frozen=True)
class Placing:
    """Where the fields' images lie; the first one is the reference."""

    images: dict[str, PlacedSlide]
    masks: dict[str, tuple[Path, Affine]]
    global_to_ref: Affine
    field_size: tuple[int, int]
    orientation: str
    notes: tuple[str, ...]

    @property
    def global_per_ref(self) -> float:
        return 1 / self.global_to_ref.length_factor


def place_fields(
    folder: Path,
    cells: Cells,
    fields: pd.DataFrame | None,
    composites: dict[int, Path],
    orientation: str | None,
) -> Placing:
    from napari_stml.io.slides import open_slide

    local = finite_xy(cells.frame, *LOCAL, cells.path)
    to_global = fit_local_to_global(cells.fov, local, cells.xy, cells.path, _stated_origins(fields))
    known = {fov: path for fov, path in composites.items() if fov in to_global}
    if not known:
        raise CannotOpenError(
            "None of the images belongs to a field of view with cells or a position",
            where=folder / "CellComposite",
            do="check the numbers in the images' names, or open with image=none",
        )
    masks = {f: p for f, p in images_by_field(folder / "CellLabels").items() if f in to_global}
    orientation, notes = _orientation(cells, local, masks, orientation)
    if left_out := sorted(set(composites) - set(known)):
        notes += (f"images of fields without cells or position are left out: {left_out}",)
    slides = {fov: open_slide(path) for fov, path in known.items()}
    first = next(iter(slides.values()))
    if masks:
        with open_slide(next(iter(masks.values()))) as mask:
            size = (mask.width, mask.height)
    else:
        size = (first.width, first.height)
    field_to_local = image_to_local(orientation, *size)
    shrink = Affine.scaling(size[0] / first.width, size[1] / first.height)
    image_global = {fov: to_global[fov] @ field_to_local @ shrink for fov in slides}
    global_to_ref = next(iter(image_global.values())).inverse()
    images = {
        f"F{fov:03d}": placed(
            slide, Affine() if slide is first else global_to_ref @ image_global[fov]
        )
        for fov, slide in slides.items()
    }
    placed_masks = {
        f"F{fov:03d} cells": (path, global_to_ref @ to_global[fov] @ field_to_local)
        for fov, path in masks.items()
    }
    return Placing(images, placed_masks, global_to_ref, size, orientation, notes)


def _orientation(
    cells: Cells,
    local: NDArray[np.float64],
    masks: dict[int, Path],
    asked: str | None,
) -> tuple[str, tuple[str, ...]]:
    """As asked, else measured on the field with most cells, else the usual one."""
    from napari_stml.io.slides import open_slide

    if asked is not None:
        return asked, ()
    if masks:
        fullest = max(masks, key=lambda fov: int((cells.fov == fov).sum()))
        here = cells.fov == fullest
        with open_slide(masks[fullest]) as labels:
            found, share = measured_orientation(labels, local[here], cells.cell_id[here])
        if found is not None:
            return found, (f"orientation '{found}': {share:.0%} of cells lie on their label",)
    return ORIENTATION_WITHOUT_LABELS, (
        f"orientation '{ORIENTATION_WITHOUT_LABELS}' is assumed, no cell labels confirm it; "
        "check that cells lie on the image, else open with another orientation",
    )


def _stated_origins(fields: pd.DataFrame | None) -> dict[int, NDArray[np.float64]]:
    if fields is None or not {"x_global_px", "y_global_px"} <= set(fields.columns):
        return {}
    rows = fields[["fov", "x_global_px", "y_global_px"]].to_numpy(dtype=np.float64)
    return {int(f): np.array([x, y]) for f, x, y in rows if np.isfinite([f, x, y]).all()}
