"""Images whose pixels tell where things are: dark discs on a light ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

LIGHT, DARK = 230, 40


def discs(width: int, height: int, xy: np.ndarray, radius: float) -> np.ndarray:
    """Grey levels (height, width): dark within ``radius`` of a centre (corner rule)."""
    picture = np.full((height, width), LIGHT, dtype=np.uint8)
    reach = int(radius) + 2
    for cx, cy in xy:
        left, top = max(int(cx) - reach, 0), max(int(cy) - reach, 0)
        window = picture[top : int(cy) + reach, left : int(cx) + reach]
        y, x = np.mgrid[: window.shape[0], : window.shape[1]] + 0.5
        window[(x + left - cx) ** 2 + (y + top - cy) ** 2 <= radius**2] = DARK
    return picture


def write_rgb(path: Path, grey: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    if path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, rgb, photometric="rgb", tile=(256, 256), compression="zlib")
    else:
        Image.fromarray(rgb).save(path)


def write_channels(path: Path, planes: np.ndarray, names: list[str] | None = None) -> None:
    """An OME-TIFF (channels, height, width) of unsigned 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ome = ".ome." in path.name
    metadata = {"axes": "CYX"} | ({"Channel": {"Name": names}} if names else {})
    tifffile.imwrite(
        path,
        planes.astype(np.uint16),
        ome=ome,
        photometric="minisblack",
        metadata=metadata if ome else None,
        tile=(64, 64),
    )


def write_labels(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, labels.astype(np.uint16), photometric="minisblack")
