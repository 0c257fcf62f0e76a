"""Um per pixel of CosMx, which no file states in so many words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.geometry import ScaleSource, UmPerPx

if TYPE_CHECKING:
    import pandas as pd

NEWER_UM_PER_PX = 0.12028
OLDER_UM_PER_PX = 0.18

FIELD_SIZES = {(5472, 3648): OLDER_UM_PER_PX, (4256, 4256): NEWER_UM_PER_PX}
"""Width and height of a field of view in pixels, by the camera."""


def um_per_px(
    cells: pd.DataFrame, fields: pd.DataFrame | None, size: tuple[int, int] | None
) -> tuple[UmPerPx | None, UmPerPx | None, str]:
    """The value, or else a guess, and how it was found.

    Parameters
    ----------
    cells, fields
        The metadata and the positions of the fields of view.
    size
        Of one field's image.
    """
    ways = (
        (_by_area(cells), "from cell areas in um2 and pixels"),
        (_by_positions(fields), "from field positions in mm and pixels"),
        (FIELD_SIZES.get(size or (0, 0)), "from the size of the fields' images"),
    )
    for value, how in ways:
        if value is not None:
            return UmPerPx.square(value, ScaleSource.READER), None, f"um per pixel {how}"
    guess = UmPerPx.square(NEWER_UM_PER_PX, ScaleSource.READER)
    return None, guess, "um per pixel is stated nowhere"


def _by_area(cells: pd.DataFrame) -> float | None:
    if not {"Area", "Area.um2"} <= set(cells.columns):
        return None
    pixels = _numbers(cells["Area"])
    ratio = _numbers(cells["Area.um2"])[pixels > 0] / pixels[pixels > 0]
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    return float(np.sqrt(np.median(ratio))) if len(ratio) else None


def _by_positions(fields: pd.DataFrame | None) -> float | None:
    """Distances of the fields from their mean, in both units."""
    if fields is None or len(fields) < 2:
        return None
    px = [c for c in ("x_global_px", "y_global_px") if c in fields]
    mm = [c.replace("_px", "_mm") for c in px]
    if len(px) < 2 or not set(mm) <= set(fields.columns):
        return None
    in_px = np.column_stack([_numbers(fields[c]) for c in px])
    in_mm = np.column_stack([_numbers(fields[c]) for c in mm])
    spread_px = float(np.nansum((in_px - np.nanmean(in_px, 0)) ** 2))
    spread_mm = float(np.nansum((in_mm - np.nanmean(in_mm, 0)) ** 2))
    if spread_px <= 0 or spread_mm <= 0:
        return None
    return 1000 * float(np.sqrt(spread_mm / spread_px))


def _numbers(column: pd.Series[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
