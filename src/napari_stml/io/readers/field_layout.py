"""Where the images of fields of view go: on a grid, or stitched by global positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.geometry import Affine
from napari_stml.io.readers.cosmx_frames import fit_local_to_global

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide

LOCAL_KEYS = (
    "spatial",
    "cx,cy",
    "CenterX_local_px,CenterY_local_px",
    "x_local_px,y_local_px",
    "x,y",
    "X_spatial",
)
GLOBAL_KEYS = (
    "CenterX_global_px,CenterY_global_px",
    "x_global_px,y_global_px",
    "global",
    "spatial_fov",
    "spatial_global",
)
GAP = 0.05
"""Between fields on a grid, as a share of their width."""


@dataclass(frozen=True)
class Field:
    """One field: its folder's name and number, its cells and its image."""

    name: str
    number: int
    cells: ad.AnnData
    slide: Slide
    path: Path


def positions_by_key(adata: ad.AnnData, key: str) -> NDArray[np.float64] | None:
    """Positions of an entry of obsm, or of columns "x,y"; None where absent or not numeric."""
    try:
        if key in adata.obsm:
            xy = np.asarray(adata.obsm[key], dtype=np.float64)
        else:
            x, _, y = key.partition(",")
            if not {x, y} <= set(adata.obs.columns):
                return None
            xy = adata.obs[[x, y]].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return xy[:, :2] if xy.ndim == 2 and xy.shape[1] >= 2 else None


def keys_in_all(fields: Sequence[Field], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        key
        for key in keys
        if all(positions_by_key(field.cells, key) is not None for field in fields)
    )


def share_inside(field: Field, xy: NDArray[np.float64]) -> float:
    """How many positions lie on the field's image."""
    size = np.array([field.slide.width, field.slide.height])
    return float(((xy >= 0) & (xy <= size)).all(axis=1).mean()) if len(xy) else 1.0


def gridded(fields: Sequence[Field]) -> list[Affine]:
    """Row by row, about as many columns as rows, the first field at the origin."""
    columns = ceil(sqrt(len(fields)))
    width = max(field.slide.width for field in fields)
    height = max(field.slide.height for field in fields)
    gap = GAP * width
    return [
        Affine.translation((i % columns) * (width + gap), (i // columns) * (height + gap))
        for i in range(len(fields))
    ]


def stitched_by_cells(
    fields: Sequence[Field], local: Sequence[NDArray[np.float64]], key: str
) -> list[Affine]:
    """By cells that have global positions as well, seen from the first field."""
    whole = [positions_by_key(field.cells, key) for field in fields]
    index = np.repeat(np.arange(len(fields)), [len(xy) for xy in local])
    fitted = fit_local_to_global(
        index,
        np.vstack(list(local)),
        np.vstack([xy for xy in whole if xy is not None]),
        fields[0].path.parent,
        {},
    )
    back = fitted[0].inverse()
    return [back @ fitted[i] for i in range(len(fields))]


def stitched_by_origins(
    fields: Sequence[Field], origins: dict[int, NDArray[np.float64]]
) -> list[Affine] | None:
    """By the positions file; None when a field is missing there."""
    if any(field.number not in origins for field in fields):
        return None
    first = origins[fields[0].number]
    return [Affine.translation(*(origins[field.number] - first)) for field in fields]
