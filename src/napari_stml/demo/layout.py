"""Where the tissue is and which of the five planted domains lies where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_stml.demo.fields import Field, FloatArray, GridMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

DOMAINS = ("tumour", "stroma", "gland", "immune", "adipose")
TUMOUR, STROMA, GLAND, IMMUNE, ADIPOSE = range(5)
SHARES = {ADIPOSE: 0.15, TUMOUR: 0.28, GLAND: 0.18, IMMUNE: 0.12}
"""Share of the tissue's area; stroma is the rest. The order is the order of placing."""

STEP_UM = 8.0

Noise = Callable[[float], FloatArray]
"""A spacing in um gives a new random map of the section's coarse grid."""


@dataclass(frozen=True)
class Layout:
    """The ground plan of one section, in micrometres.

    Attributes
    ----------
    maps
        Coarse maps: tissue (0 to 1), the five domains' weights (sum 1), infiltration by
        immune cells and hypoxia (0 to 1).
    nests
        Above `NEST_LEVEL` a place of the tumour domain is a nest of tumour cells, below it
        a stromal septum.
    """

    width_um: float
    height_um: float
    maps: GridMap
    nests: Field

    def tissue_at(self, xy_um: FloatArray) -> FloatArray:
        return self.maps.at(xy_um)[:, 0]

    def weights_at(self, xy_um: FloatArray) -> FloatArray:
        """Weights of the five domains, (n, 5)."""
        return self.maps.at(xy_um)[:, 1:6]

    def infiltration_at(self, xy_um: FloatArray) -> FloatArray:
        return self.maps.at(xy_um)[:, 6]

    def hypoxia_at(self, xy_um: FloatArray) -> FloatArray:
        return self.maps.at(xy_um)[:, 7]


NEST_LEVEL = -0.55


def plan(rng: np.random.Generator, width_um: float, height_um: float, tissue_um2: float) -> Layout:
    """Draw a tissue of the given area and divide it into the five domains."""
    shape = (int(np.ceil(height_um / STEP_UM)), int(np.ceil(width_um / STEP_UM)))
    ys = (np.arange(shape[0]) + 0.5) * STEP_UM
    xs = (np.arange(shape[1]) + 0.5) * STEP_UM
    scale = float(np.sqrt(tissue_um2 / 21.6e6))

    def noise(spacing_um: float) -> FloatArray:
        field = Field.random(rng, width_um, height_um, spacing_um)
        return field.on_grid(ys, xs).astype(np.float64)

    tissue = _outline(noise, ys, xs, width_um, height_um, tissue_um2, scale)
    domain = _domains(noise, tissue, scale)
    weights = np.stack(
        [ndimage.gaussian_filter((domain == d).astype(np.float32), 2.5) for d in range(5)]
    )
    weights /= np.maximum(weights.sum(axis=0), 1e-6)
    near_immune = ndimage.distance_transform_edt(domain != IMMUNE) * STEP_UM
    infiltration = np.exp(-near_immune / 170.0) * np.clip(1 + 0.3 * noise(220), 0, 1.6)
    depth = ndimage.distance_transform_edt(domain == TUMOUR) * STEP_UM
    hypoxia = np.clip((depth - 130.0 * scale) / 160.0, 0, 1) * np.clip(
        0.55 + 0.6 * noise(280), 0, 1
    )
    soft_tissue = ndimage.gaussian_filter(tissue.astype(np.float32), 0.8)
    maps = np.concatenate(
        [soft_tissue[None], weights, np.clip(infiltration, 0, 1)[None], hypoxia[None]]
    ).astype(np.float32)
    nests = Field.random(rng, width_um, height_um, 62.0)
    return Layout(width_um, height_um, GridMap(maps, STEP_UM), nests)


def _outline(
    noise: Noise,
    ys: FloatArray,
    xs: FloatArray,
    width_um: float,
    height_um: float,
    tissue_um2: float,
    scale: float,
) -> NDArray[np.bool_]:
    dy = (ys[:, None] - height_um / 2) / height_um
    dx = (xs[None, :] - width_um / 2) / width_um
    bump = (
        1.0
        - 9.0 * (dx**2 + dy**2)
        + 0.45 * noise(1300 * scale)
        + 0.12 * noise(420 * scale)
        + 0.035 * noise(110)
    )
    border = np.minimum(0.5 - np.abs(dx), 0.5 - np.abs(dy))
    bump -= 30.0 * np.clip(0.075 - border, 0, None)
    cracks = ndimage.gaussian_filter(np.abs(noise(650 * scale)), 1.0)
    open_crack = (cracks < 0.035) & (noise(500 * scale) > 0.9)
    wanted = int(tissue_um2 / STEP_UM**2)
    level = np.partition(bump.ravel(), -wanted)[-wanted]
    for _ in range(6):
        mask = _largest(bump > level)
        missing = wanted - int(mask.sum())
        level = np.partition(bump.ravel(), -wanted - missing)[-wanted - missing]
        wanted += missing
        if abs(missing) < 50:
            break
    return np.asarray(mask & ~open_crack)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(ndimage.binary_opening(mask, iterations=3))
    if count == 0:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    kept = pieces == 1 + int(np.argmax(sizes))
    return np.asarray(ndimage.binary_fill_holes(kept), dtype=np.bool_)


def _domains(noise: Noise, tissue: NDArray[np.bool_], scale: float) -> NDArray[np.int8]:
    """Each domain takes its share of the tissue where its own field is highest."""
    area = int(tissue.sum())
    inside = ndimage.distance_transform_edt(tissue) * STEP_UM
    domain = np.full(tissue.shape, STROMA, dtype=np.int8)
    free = tissue.copy()
    for d, share in SHARES.items():
        height = noise(1050 * scale) + 0.3 * noise(330 * scale) + 0.08 * noise(110)
        if d == ADIPOSE:
            height -= inside / (500.0 * scale)
        elif d == TUMOUR:
            height += np.clip(inside / (500.0 * scale), 0, 1)
        elif d == IMMUNE:
            away = ndimage.distance_transform_edt(domain != TUMOUR) * STEP_UM
            height = noise(340 * scale) + 0.25 * noise(110) + 1.3 * np.exp(-away / 200.0)
        height = np.where(free, height, -np.inf)
        wanted = int(share * area)
        level = np.partition(height.ravel(), -wanted)[-wanted]
        chosen = height >= level
        domain[chosen] = d
        free &= ~chosen
    soft = np.stack(
        [ndimage.gaussian_filter((domain == d).astype(np.float32), 4) for d in range(5)]
    )
    return np.asarray(np.argmax(soft, axis=0), dtype=np.int8)
