"""The picture: stain amounts of a tile, and the light that passes through them.

Stains add up as optical densities (Beer-Lambert): I = white * exp(-sum of amount * vector).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_stml.demo import nuclei
from napari_stml.demo.fields import Field, FloatArray, Plane, smoothstep, texture
from napari_stml.demo.layout import ADIPOSE, GLAND, IMMUNE, NEST_LEVEL, STROMA, TUMOUR, Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.demo.anatomy import Anatomy, Rings

RGB = NDArray[np.uint8]

WHITE = np.array([243.0, 241.0, 244.0])
STAINS = np.array([[0.56, 0.74, 0.36], [0.12, 0.80, 0.50], [0.10, 0.72, 0.78]])
"""Optical density per channel of haematoxylin, eosin and red blood cells."""

_QUANTUM = 6
_GLASS = 232
"""Stained grey values are rounded to multiples of 6, so that a lossless codec gains something;
glass is kept, where steps would show."""

_MARGIN_PX = 10
_TILE_PX = 1024


@dataclass(frozen=True)
class Preparation:
    """What happened to the section after the knife: stain, light, folds, focus, dust."""

    stain_h: Field
    stain_e: Field
    light: Field
    grain: Plane
    fine: Plane
    crumbs: Field
    fold_xy_um: FloatArray
    blur_xy_um: FloatArray
    h_gain: float = 1.0
    e_gain: float = 1.0

    @classmethod
    def random(
        cls, rng: np.random.Generator, layout: Layout, h_gain: float = 1.0, e_gain: float = 1.0
    ) -> Preparation:
        w, h = layout.width_um, layout.height_um
        fields = [Field.random(rng, w, h, s) for s in (900.0, 700.0, 3200.0, 26.0)]
        return cls(
            fields[0], fields[1], fields[2], texture(rng, (1.0, 1.0)), texture(rng, (2.2, 2.2)),
            fields[3], _fold_line(rng, layout), _inside_point(rng, layout), h_gain, e_gain,
        )  # fmt: skip


def _inside_point(rng: np.random.Generator, layout: Layout) -> FloatArray:
    xy = rng.uniform(0.2, 0.8, (400, 2)) * [layout.width_um, layout.height_um]
    ranked = np.argsort(layout.weights_at(xy)[:, STROMA] + layout.tissue_at(xy))
    return np.asarray(xy[ranked[-1]])


def _fold_line(rng: np.random.Generator, layout: Layout) -> FloatArray:
    start = _inside_point(rng, layout)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.06, 60))
    steps = 14.0 * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    return np.asarray(start + steps.cumsum(axis=0) - steps.sum(axis=0) / 2)


@dataclass(frozen=True)
class Scene:
    layout: Layout
    anatomy: Anatomy
    preparation: Preparation
    um_per_px: float

    @property
    def shape(self) -> tuple[int, int]:
        return (
            round(self.layout.height_um / self.um_per_px),
            round(self.layout.width_um / self.um_per_px),
        )


def render(scene: Scene, on_row: Callable[[float], None] | None = None) -> RGB:
    """The whole slide, (height, width, 3)."""
    height, width = scene.shape
    out = np.empty((height, width, 3), dtype=np.uint8)

    def fill(corner: tuple[int, int]) -> None:
        y, x = corner
        h, w = min(_TILE_PX, height - y), min(_TILE_PX, width - x)
        out[y : y + h, x : x + w] = tile(scene, x, y, w, h)

    corners = [(y, x) for y in range(0, height, _TILE_PX) for x in range(0, width, _TILE_PX)]
    with ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        for done, _ in enumerate(pool.map(fill, corners), start=1):
            if on_row is not None:
                on_row(done / len(corners))
    return out


def tile(scene: Scene, x: int, y: int, w: int, h: int) -> RGB:
    """One window of the slide in its own pixels."""
    m, um = _MARGIN_PX, scene.um_per_px
    ys = (np.arange(y - m, y + h + m) + 0.5) * um
    xs = (np.arange(x - m, x + w + m) + 0.5) * um
    rgb = WHITE.astype(np.float32) * _light(scene.preparation, ys, xs)[..., None]
    if scene.layout.maps.on_grid(ys[::6], xs[::6])[0].max() > 0.02:
        rgb *= np.exp(-_densities(scene, ys, xs))
    rgb = rgb[m : m + h, m : m + w]
    return quantised(rgb)


def quantised(rgb: Plane) -> RGB:
    coarse = np.round(rgb / _QUANTUM) * _QUANTUM
    return np.where(rgb > _GLASS, np.round(rgb), coarse).clip(0, 255).astype(np.uint8)


def _light(prep: Preparation, ys: FloatArray, xs: FloatArray) -> Plane:
    """Uneven illumination, a few grey values over the slide, in steps that cost no bytes."""
    return np.asarray(1 - 0.012 * np.clip(prep.light.on_grid(ys, xs) + 0.5, 0, 2))


def _densities(scene: Scene, ys: FloatArray, xs: FloatArray) -> Plane:
    h, e, red = _stains(scene, ys, xs)
    prep = scene.preparation
    h *= prep.h_gain * (1 + 0.07 * prep.stain_h.on_grid(ys, xs))
    e *= prep.e_gain * (1 + 0.07 * prep.stain_e.on_grid(ys, xs))
    density = np.stack([h, e, red], axis=-1) @ STAINS.astype(np.float32)
    density *= _fold(prep, ys, xs)[..., None]
    return _focus(prep, density, ys, xs, scene.um_per_px)


def _fold(prep: Preparation, ys: FloatArray, xs: FloatArray) -> Plane:
    """Where the tissue lies double it is nearly twice as dense."""
    gain = np.ones((len(ys), len(xs)), dtype=np.float32)
    low, high = prep.fold_xy_um.min(axis=0) - 40, prep.fold_xy_um.max(axis=0) + 40
    rows = np.flatnonzero((ys > low[1]) & (ys < high[1]))
    cols = np.flatnonzero((xs > low[0]) & (xs < high[0]))
    if len(rows) == 0 or len(cols) == 0:
        return gain
    yy, xx = np.meshgrid(ys[rows], xs[cols], indexing="ij")
    points = np.stack([xx.ravel(), yy.ravel()], axis=1)
    distance, index = cKDTree(prep.fold_xy_um).query(points)
    last = len(prep.fold_xy_um) - 1
    half = 4.0 + 13.0 * np.sin(np.pi * index / last) ** 0.7
    band = smoothstep((half - distance).reshape(yy.shape).astype(np.float32), -2.5, 2.5)
    gain[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += 0.85 * band
    return gain


def _focus(
    prep: Preparation, density: Plane, ys: FloatArray, xs: FloatArray, um_per_px: float
) -> Plane:
    """The objective's blur, and one place out of focus."""
    sharp = ndimage.gaussian_filter(density, (0.42 / um_per_px, 0.42 / um_per_px, 0))
    dy, dx = ys[:, None] - prep.blur_xy_um[1], xs[None, :] - prep.blur_xy_um[0]
    away = np.sqrt(dy**2 + dx**2).astype(np.float32)
    share = 1 - smoothstep(away, 160.0, 320.0)
    if share.max() == 0:
        return np.asarray(sharp)
    soft = ndimage.gaussian_filter(density, (2.2 / um_per_px, 2.2 / um_per_px, 0))
    return np.asarray(sharp + share[..., None] * (soft - sharp))


def _stains(scene: Scene, ys: FloatArray, xs: FloatArray) -> tuple[Plane, Plane, Plane]:
    """Amounts of haematoxylin, eosin and blood, each (len(ys), len(xs))."""
    layout, anatomy, prep, um = scene.layout, scene.anatomy, scene.preparation, scene.um_per_px
    maps = layout.maps.on_grid(ys, xs)
    weights, hypoxia = maps[1:6], maps[7]
    ragged = prep.crumbs.on_grid(ys, xs)
    tissue = smoothstep(maps[0] + 0.05 * ragged, 0.42, 0.58)
    relief = anatomy.fibres.on_grid(ys, xs)
    grain = _wrapped(prep.grain, ys, xs, um)
    fine = _wrapped(prep.fine, ys, xs, um)
    nest = smoothstep(layout.nests.on_grid(ys, xs) + 0.12 * ragged, NEST_LEVEL, NEST_LEVEL + 0.22)

    collagen = 0.40 + 0.13 * relief + 0.02 * grain
    collagen *= 1 - 0.85 * smoothstep(-relief + 0.2 * ragged, 1.5, 1.9)  # clefts
    loose = 0.30 + 0.09 * relief + 0.02 * grain
    loose *= 1 - 0.7 * smoothstep(-relief + 0.3 * ragged, 0.7, 1.3)
    cytoplasm = 0.40 + 0.05 * fine + 0.03 * grain + 0.16 * hypoxia
    basophilia = (0.17 + 0.03 * fine) * (1 - 0.8 * hypoxia)
    gap = smoothstep(-np.abs(nest - 0.45), -0.25, -0.05) * 0.75  # shrinkage around nests
    solid = nest * cytoplasm + (1 - nest) * collagen
    e = (
        weights[TUMOUR] * solid * (1 - gap)
        + weights[STROMA] * collagen
        + weights[GLAND] * loose
        + weights[IMMUNE] * (0.24 + 0.04 * fine + 0.03 * relief)
    )
    h = weights[TUMOUR] * nest * basophilia + weights[IMMUNE] * (0.16 + 0.02 * fine)
    h += 0.03 * (weights[STROMA] + weights[GLAND])
    red = np.zeros_like(e)
    fat = weights[ADIPOSE] > 0.02
    if fat.any():
        e += weights[ADIPOSE] * _fat(anatomy.vacuoles_um, fat, ys, xs)
    _paint_glands(anatomy.glands, ys, xs, fine, h, e)
    _paint_vessels(anatomy.vessels, ys, xs, fine, h, e, red)

    reach = nuclei.reach_um(anatomy.cells)
    low = np.array([xs[0], ys[0]]) - reach
    cells = nuclei.in_window(anatomy.cells, low, np.array([xs[-1], ys[-1]]) + reach)
    corner = (float(xs[0] - um / 2), float(ys[0] - um / 2))
    stain, cover = nuclei.draw(cells, corner, h.shape, um, prep.grain)
    h = h * (1 - 0.7 * cover) + stain
    e *= 1 - 0.55 * cover
    return tissue * h, tissue * e, tissue * red


def _wrapped(plane: Plane, ys: FloatArray, xs: FloatArray, um_per_px: float) -> Plane:
    size = plane.shape[0]
    rows = np.floor(ys / um_per_px).astype(np.int64) % size
    cols = np.floor(xs / um_per_px).astype(np.int64) % size
    return np.asarray(plane[rows[:, None], cols[None, :]])


def _fat(
    vacuoles_um: FloatArray, wanted: NDArray[np.bool_], ys: FloatArray, xs: FloatArray
) -> Plane:
    """Eosin of the thin walls between vacuoles: where two centres are equally near."""
    coarse_y, coarse_x = ys[::2], xs[::2]
    mask = wanted[::2, ::2]
    rows, cols = np.nonzero(mask)
    points = np.stack([coarse_x[cols], coarse_y[rows]], axis=1)
    near = cKDTree(vacuoles_um).query(points, k=3)[0].astype(np.float32)
    d1, d2, d3 = near.T
    wall = 0.40 * (1 - smoothstep(d2 - d1, 1.4, 3.6))
    wall = np.maximum(wall, 0.30 * (1 - smoothstep(d3 - d1, 5.0, 9.5)))  # gussets
    wall = np.maximum(wall, 0.34 * smoothstep(d1, 44.0, 52.0))
    half: NDArray[np.float32] = np.zeros(mask.shape, dtype=np.float32)
    half[rows, cols] = wall
    full: Plane = half.repeat(2, axis=0).repeat(2, axis=1)[: wanted.shape[0], : wanted.shape[1]]
    return np.asarray(ndimage.uniform_filter(full, 3), dtype=np.float32)


def _ring_windows(
    rings: Rings, ys: FloatArray, xs: FloatArray
) -> list[tuple[int, slice, slice, Plane, Plane]]:
    """Per ring in sight: its index, its window and there distance and angle."""
    found = []
    reach = 1.45 * rings.radius_um + 6.0
    x, y = rings.xy_um.T
    seen = (x + reach > xs[0]) & (x - reach < xs[-1]) & (y + reach > ys[0]) & (y - reach < ys[-1])
    for i in np.flatnonzero(seen):
        rows = slice(*np.searchsorted(ys, [y[i] - reach[i], y[i] + reach[i]]))
        cols = slice(*np.searchsorted(xs, [x[i] - reach[i], x[i] + reach[i]]))
        dy, dx = ys[rows, None] - y[i], xs[None, cols] - x[i]
        distance = np.sqrt(dy**2 + dx**2).astype(np.float32)
        found.append((int(i), rows, cols, distance, np.arctan2(dy, dx).astype(np.float32)))
    return found


def _paint_glands(
    glands: Rings, ys: FloatArray, xs: FloatArray, fine: Plane, h: Plane, e: Plane
) -> None:
    for i, rows, cols, distance, angle in _ring_windows(glands, ys, xs):
        outer = glands.outline(np.full(angle.size, i), angle.ravel()).reshape(angle.shape)
        grain = fine[rows, cols]
        depth = (outer - distance + 1.2 * grain).astype(np.float32)
        wall = float(glands.wall_um[i])
        inside = smoothstep(depth, -0.8, 0.8)
        lumen = smoothstep(depth, wall + 0.2, wall + 2.2)
        secretion = 0.22 if i % 4 == 0 else 0.015
        cell = 0.36 + 0.05 * grain + 0.12 * smoothstep(depth, wall - 4.0, wall)
        halo = 1 - 0.55 * smoothstep(-np.abs(depth + 2.0), -2.5, -0.5)
        e[rows, cols] = halo * e[rows, cols] * (1 - inside) + inside * (
            (1 - lumen) * cell + lumen * secretion * (1 + 0.25 * grain)
        )
        h[rows, cols] = h[rows, cols] * (1 - inside) + inside * (1 - lumen) * (0.14 + 0.02 * grain)


def _paint_vessels(
    vessels: Rings, ys: FloatArray, xs: FloatArray, fine: Plane, h: Plane, e: Plane, red: Plane
) -> None:
    for i, rows, cols, distance, angle in _ring_windows(vessels, ys, xs):
        outer = vessels.outline(np.full(angle.size, i), angle.ravel()).reshape(angle.shape)
        grain = fine[rows, cols]
        depth = (outer - distance).astype(np.float32)
        wall = float(vessels.wall_um[i])
        inside = smoothstep(depth, -0.8, 0.8)
        lumen = smoothstep(depth, wall, wall + 1.5)
        blood = smoothstep(grain, -0.2, 0.25) if i % 3 else np.zeros_like(grain)
        e[rows, cols] = e[rows, cols] * (1 - inside) + inside * (1 - lumen) * (0.46 + 0.06 * grain)
        h[rows, cols] *= 1 - inside
        red[rows, cols] = red[rows, cols] * (1 - inside) + inside * lumen * blood * 0.62
