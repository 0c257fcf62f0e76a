"""How CosMx fields of view lie: local pixels, global pixels and image rows.

Exports differ: global axes may run against the local ones, and local y may run up or down the
image. Both are therefore measured: the first from cells that have local and global positions,
the second from the cell labels, whose pixel under a cell's centre must carry its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.io.slides.base import Slide

ORIENTATIONS = ("as stored", "flip y", "flip x", "turn 180")


@dataclass(frozen=True)
class LocalToGlobal:
    """``global = axes @ local + origin[fov]``."""

    axes: NDArray[np.float64]
    origins: Mapping[int, NDArray[np.float64]]

    def __getitem__(self, fov: int) -> Affine:
        return Affine.of(np.column_stack([self.axes, self.origins[fov]]))

    def __contains__(self, fov: int) -> bool:
        return fov in self.origins


def fit_local_to_global(
    fov: NDArray[np.int64],
    local: NDArray[np.float64],
    whole: NDArray[np.float64],
    where: Path,
    stated: Mapping[int, NDArray[np.float64]],
) -> LocalToGlobal:
    """Signs and order of the axes over all fields, then each field's origin.

    Parameters
    ----------
    stated
        Origins of the positions file, used for fields without cells.
    """
    numbers = np.unique(fov)
    which = np.searchsorted(numbers, fov)
    count = np.bincount(which)[:, None]
    centred = [
        points - (np.stack([np.bincount(which, points[:, i]) for i in (0, 1)], 1) / count)[which]
        for points in (local, whole)
    ]
    solved = np.linalg.lstsq(centred[0], centred[1], rcond=None)[0].T
    axes = np.round(solved)
    if abs(abs(np.linalg.det(axes)) - 1) > 1e-6:
        axes = np.eye(2)  # too few cells to tell
    origins = {
        int(number): np.median(whole[fov == number] - local[fov == number] @ axes.T, axis=0)
        for number in numbers
    }
    spread = np.abs(whole - local @ axes.T - np.stack([origins[int(f)] for f in numbers])[which])
    if np.median(spread) > 5:
        raise CannotOpenError(
            "Local and global positions do not differ by a shift per field of view",
            where=where,
            do="export the flat files again",
        )
    known = [f for f in origins if f in stated]
    if known:
        offset = np.median([origins[f] - stated[f] for f in known], axis=0)
        origins |= {f: xy + offset for f, xy in stated.items() if f not in origins}
    return LocalToGlobal(axes, origins)


def image_to_local(orientation: str, width: int, height: int) -> Affine:
    """From image pixels (row down) to local pixels."""
    flip_x = orientation in ("flip x", "turn 180")
    flip_y = orientation in ("flip y", "turn 180")
    return Affine.of(
        [
            [-1.0 if flip_x else 1.0, 0.0, width if flip_x else 0.0],
            [0.0, -1.0 if flip_y else 1.0, height if flip_y else 0.0],
        ]
    )


def measured_orientation(
    labels: Slide, local: NDArray[np.float64], cell_id: NDArray[np.int64]
) -> tuple[str | None, float]:
    """The orientation that puts most centres on their own label, and the share that it does.

    None when no orientation wins clearly: no label image of these cells.
    """
    pixels = labels.read(0, 0, 0, labels.width, labels.height)[..., 0]
    shares = []
    for orientation in ORIENTATIONS:
        to_image = image_to_local(orientation, labels.width, labels.height).inverse()
        x, y = np.floor(to_image(local)).astype(np.int64).T
        inside = (x >= 0) & (y >= 0) & (x < labels.width) & (y < labels.height)
        hit = np.zeros(len(local), dtype=bool)
        hit[inside] = pixels[y[inside], x[inside]] == cell_id[inside]
        shares.append(float(hit.mean()) if len(hit) else 0.0)
    best = int(np.argmax(shares))
    rest = max(share for i, share in enumerate(shares) if i != best)
    clear = shares[best] >= 0.5 and shares[best] > rest + 0.2
    return (ORIENTATIONS[best] if clear else None), shares[best]
