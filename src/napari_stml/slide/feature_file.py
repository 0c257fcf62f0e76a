"""Features in the ``.h5`` layout of the common pipelines: ``coords`` and ``features``.

``coords`` are the tiles' top-left corners in level-0 pixels, (n, 2) as (x, y); ``features`` is
(n, k), or (n, tokens, k) where patch tokens were asked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, CannotSaveError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDES = ("patch_size_level0", "patch_size_lv0", "tile_size_level0", "patch_size")
"""Attributes in which programs keep the side of a tile, the surest first."""


@dataclass(frozen=True)
class FeatureFile:
    """What a file holds; ``side`` (level-0 pixels) is None where the file does not say."""

    coords: NDArray[np.float64]
    features: NDArray[np.float32]
    side: float | None
    encoder: str = ""


def write_features(
    path: Path, coords: NDArray[Any], features: NDArray[Any], *, side: float, encoder: str,
    um_per_px: float, pixels: int,
) -> None:  # fmt: skip
    """Write the file complete under another name, then give it its own."""
    import h5py

    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            file.create_dataset("features", data=np.asarray(features, dtype=np.float32))
            where = file.create_dataset("coords", data=np.round(coords).astype(np.int64))
            for holder in (file, where):
                holder.attrs["patch_size_level0"] = float(side)
                holder.attrs["patch_size"] = int(pixels)
                holder.attrs["um_per_px"] = float(um_per_px)
                holder.attrs["encoder"] = encoder
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CannotSaveError(f"The features cannot be written ({error})", where=path) from error


def read_features(path: Path) -> FeatureFile:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            missing = [n for n in ("coords", "features") if n not in file]
            if missing:
                raise CannotOpenError(
                    f"This file has no '{missing[0]}'", where=path,
                    do=f"it holds {', '.join(file) or 'nothing'}; 'coords' and 'features' are read",
                )  # fmt: skip
            coords = np.asarray(file["coords"], dtype=np.float64)
            features = np.asarray(file["features"], dtype=np.float32)
            attrs = {**dict(file.attrs), **dict(file["coords"].attrs)}
    except (OSError, TypeError, ValueError) as error:
        raise CannotOpenError(
            "The feature file cannot be read", where=path, do="write it again"
        ) from error
    features = features[0] if features.ndim == 3 and len(features) == 1 < len(coords) else features
    coords = coords[0] if coords.ndim == 3 and len(coords) == 1 else coords
    if coords.ndim != 2 or coords.shape[1] != 2 or len(coords) != len(features):
        raise CannotOpenError(
            f"'coords' {coords.shape} and 'features' {features.shape} do not belong together",
            where=path,
        )  # fmt: skip
    if features.ndim == 2 and not np.isfinite(features).all():
        bad = int((~np.isfinite(features).all(axis=1)).sum())
        raise CannotOpenError(
            f"{bad} of {len(features)} tiles have features that are no finite numbers", where=path,
            do="compute them again, or leave these tiles out",
        )  # fmt: skip
    if features.ndim != 2:
        raise CannotOpenError(
            "One row of features per tile is needed", where=path,
            do="write class or mean tokens, not all patch tokens",
        )  # fmt: skip
    side = next((float(attrs[n]) for n in SIDES if n in attrs), None)
    return FeatureFile(coords, features, side, str(attrs.get("encoder", "")))
