"""Images in ``uns["spatial"]`` as scanpy and squidpy keep them, one library per section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.io.slides.base import Slide
    from napari_stml.io.tables.disk import DiskTable

LIBRARY_COLUMNS = ("library_id", "library", "sample", "sample_id", "batch", "section", "slide")


@dataclass(frozen=True)
class Library:
    """One section's images (their keys, the best first) and scale factors."""

    name: str
    images: tuple[str, ...] = ()
    scale_factors: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def scale(self, image: str, where: object) -> float:
        """Give image pixels per pixel of the positions."""
        key = f"tissue_{image}_scalef"
        value = self.scale_factors.get(key)
        try:
            scale = float(np.asarray(value).item())
        except (TypeError, ValueError):
            scale = np.nan
        if not (np.isfinite(scale) and scale > 0):
            raise CannotOpenError(
                f"The image '{image}' of '{self.name}' has no usable scale factor '{key}'",
                where=where,
                do='choose another image, or open without one: image="none"',
            )
        return scale

    @property
    def spot_diameter(self) -> float | None:
        """``spot_diameter_fullres``; None where it is missing or a placeholder such as 1."""
        return _number(self.scale_factors, "spot_diameter_fullres", above=1.5)

    @property
    def um_per_px(self) -> float | None:
        """``um_per_px`` as we write it, or ``microns_per_pixel`` of Visium HD.

        Both are of the positions' pixels.
        """
        ours = _number(self.metadata, "um_per_px", above=0.0)
        return ours or _number(self.scale_factors, "microns_per_pixel", above=0.0)


def _number(values: Mapping[str, Any], key: str, above: float) -> float | None:
    try:
        value = float(np.asarray(values.get(key)).item())
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) and value > above else None


def libraries(table: DiskTable) -> dict[str, Library]:
    """List the libraries without reading their images."""
    found = {}
    for name in uns_keys(table, "spatial"):
        parts = uns_keys(table, f"spatial/{name}")
        images = uns_keys(table, f"spatial/{name}/images") if "images" in parts else ()
        best = sorted(images, key=lambda k: ({"hires": 0, "lowres": 1}.get(k, 2), k))
        if parts:
            factors, metadata = (
                _dictionary(table, f"spatial/{name}/{part}") if part in parts else {}
                for part in ("scalefactors", "metadata")
            )
            found[name] = Library(name, tuple(best), factors, metadata)
    return found


def _dictionary(table: DiskTable, path: str) -> Mapping[str, Any]:
    value = table.uns(path)
    return value if isinstance(value, dict) else {}


def uns_keys(table: DiskTable, path: str = "") -> tuple[str, ...]:
    """Name the entries of a dictionary in uns; empty where there is none."""
    at = "uns/" + path if path else "uns"
    root = table._tree.group
    if at not in root or not hasattr(root[at], "keys"):
        return ()
    return tuple(root[at].keys())


def open_image(table: DiskTable, library: str, image: str) -> Slide:
    """Read one stored image; floats of 0 to 1 become bytes, as scanpy stores PNG files."""
    from napari_stml.io.slides import open_slide

    pixels = np.asarray(table.uns(f"spatial/{library}/images/{image}"))
    where = f"{table.source}/uns/spatial/{library}/images/{image}"
    if pixels.ndim not in {2, 3} or not pixels.size:
        raise CannotOpenError(
            f"The stored image has the shape {pixels.shape}",
            where=where,
            do='open without it: image="none"',
        )
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3]
    if pixels.dtype.kind == "f":
        top = 1.0 if np.nanmax(pixels) <= 1.0 else 255.0
        pixels = (np.nan_to_num(pixels) / top * 255).round().clip(0, 255).astype(np.uint8)
    return open_slide(pixels)


def library_column(table: DiskTable, names: tuple[str, ...]) -> str | None:
    """Find the obs column that says to which library a row belongs."""
    wanted = set(names)
    ordered = [c for c in LIBRARY_COLUMNS if c in table.columns]
    for column in (*ordered, *(c for c in table.columns if c not in ordered)):
        values = table.column(column)
        if hasattr(values, "cat") and wanted & {str(c) for c in values.cat.categories}:
            return column
    return None
