"""Features that need no weights: stain, texture and nuclei, computed from the pixels of a tile.

They are honest descriptors, not learned ones: good for "how blue, how dense, how fibrous", blind
to what only training can tell. Every value stands in `names`, in the order of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.slide.stain import RUIFROK, Dyes

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 2
"""Any change of a value or of the order is a new version: part of every cache's signature."""

_DYES = Dyes(RUIFROK, np.ones(2))
_CHANNELS = ("hematoxylin", "eosin", "residual")
_PERCENTILES = (10, 50, 90)
_EDGES_UM = (1.0, 2.0, 4.0, 8.0)
_FINEST_FOR_NUCLEI = 1.6
"""Coarser than this (um per px) a nucleus is a pixel or two: only its dye is counted."""

NUCLEUS = 0.30
"""Hematoxylin above the tile's median by this much counts as nucleus."""

_BINS = 8
_LARGEST_PRODUCT = 512


def names() -> tuple[str, ...]:
    """Name every feature, in order."""
    colour = [f"{s} {c}" for c in ("red", "green", "blue", "saturation") for s in ("mean", "sd")]
    dye = [
        f"{s} {c}" for c in _CHANNELS
        for s in ("mean", "sd", "skew", *(f"{q}th percentile" for q in _PERCENTILES))
    ]  # fmt: skip
    texture = [
        f"{s} edge {c} {um:g} um"
        for um in _EDGES_UM for c in ("hematoxylin", "eosin") for s in ("mean", "sd")
    ]  # fmt: skip
    fibres = [f"{s} alignment {um:g} um" for um in (2.0, 6.0) for s in ("mean", "overall")]
    grey = [
        f"{kind} {c} {um:g} um"
        for c in ("hematoxylin", "eosin") for um in (2.0, 8.0)
        for kind in ("contrast", "homogeneity", "energy", "correlation")
    ]  # fmt: skip
    bands = [f"band power {c} {um:g} um" for c in ("hematoxylin", "eosin") for um in (2, 4, 8, 16)]
    nuclei = [
        "nuclei per 10000 um2", "nuclear area share", "mean nuclear area um2",
        "sd nuclear area um2", "mean nuclear hematoxylin", "sd nuclear hematoxylin",
        "mean nuclear roundness", "nuclear crowding",
    ]  # fmt: skip
    rest = ["glass share", "eosin to hematoxylin", "dark share", "red cell share"]
    return tuple(colour + dye + texture + fibres + grey + bands + nuclei + rest)


@dataclass(frozen=True)
class BasicEncoder:
    """Encodes tiles of any size; ``um_per_px`` says what a pixel is."""

    um_per_px: float
    suffix: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name + self.suffix for name in names())

    @property
    def identity(self) -> str:
        return f"basic {VERSION} {self.um_per_px!r}"

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of (n, p, p, 3), (n, k); equal pixels give equal bits."""
        rows = [self._one(tile) for tile in tiles]
        return np.stack(rows) if rows else np.empty((0, len(names())), dtype=np.float32)

    def _one(self, tile: NDArray[np.uint8]) -> NDArray[np.float32]:
        rgb = np.asarray(tile, dtype=np.float32) / np.float32(255)
        dyes = _DYES.amounts(tile)
        hematoxylin, eosin = dyes[:, :, 0], dyes[:, :, 1]
        density = -np.log((tile.astype(np.float32) + 1) / 240)
        residual = density.sum(axis=2) - (dyes @ RUIFROK.astype(np.float32)).sum(axis=2)
        found: list[float] = []
        found += _colour(rgb)
        for channel in (hematoxylin, eosin, residual):
            found += _spread(channel)
        for um in _EDGES_UM:
            for channel in (hematoxylin, eosin):
                found += _edges(channel, um / self.um_per_px)
        for um in (2.0, 6.0):
            found += _alignment(hematoxylin + eosin, um / self.um_per_px)
        for channel in (hematoxylin, eosin):
            for um in (2.0, 8.0):
                found += _co_occurrence(channel, um / self.um_per_px)
        for channel in (hematoxylin, eosin):
            found += _bands(channel, self.um_per_px)
        found += _nuclei(hematoxylin, self.um_per_px)
        found += _rest(rgb, hematoxylin, eosin)
        return np.asarray(found, dtype=np.float32)


def _colour(rgb: NDArray[np.float32]) -> list[float]:
    high, low = rgb.max(axis=2), rgb.min(axis=2)
    saturation = (high - low) / np.maximum(high, 1e-3)
    return [
        float(f(c)) for c in (rgb[:, :, 0], rgb[:, :, 1], rgb[:, :, 2], saturation)
        for f in (np.mean, np.std)
    ]  # fmt: skip


def _spread(channel: NDArray[np.float32]) -> list[float]:
    mean, deviation = float(channel.mean()), float(channel.std())
    centred = (channel - mean) / max(deviation, 1e-3)
    skew = float((centred * centred * centred).mean())
    return [mean, deviation, skew, *map(float, np.percentile(channel, _PERCENTILES))]


def _smooth(channel: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A Gaussian cut at 2.5 sigma, reflected at the border.

    Of tiles as encoders take them two products with the blur of the identity are an order of
    magnitude faster than sliding a kernel along every line.
    """
    sigma = round(max(sigma, 0.3), 6)
    if max(channel.shape) > _LARGEST_PRODUCT:
        from scipy.ndimage import gaussian_filter

        slid: NDArray[np.float32] = gaussian_filter(channel, sigma, truncate=2.5, mode="reflect")
        return slid
    down, across = (_blur(n, sigma) for n in channel.shape)
    return np.asarray(down @ channel @ across.T, dtype=np.float32)


@cache
def _blur(size: int, sigma: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter1d

    blurred = gaussian_filter1d(np.eye(size), sigma, axis=0, truncate=2.5, mode="reflect")
    return np.ascontiguousarray(blurred, dtype=np.float32)


def _edges(channel: NDArray[np.float32], sigma: float) -> list[float]:
    gy, gx = np.gradient(_smooth(channel, sigma))
    size = np.hypot(gx, gy) * np.float32(max(sigma, 0.3))
    return [float(size.mean()), float(size.std())]


def _alignment(channel: NDArray[np.float32], sigma: float) -> list[float]:
    """How parallel fibres run: of small places on average, and of the whole tile."""
    gy, gx = np.gradient(_smooth(channel, max(sigma / 2, 0.5)))
    xx, yy, xy = gx * gx, gy * gy, gx * gy
    overall = np.hypot(xx.mean() - yy.mean(), 2 * xy.mean()) / max(xx.mean() + yy.mean(), 1e-8)
    xx, yy, xy = (_smooth(np.asarray(a), 2 * sigma) for a in (xx, yy, xy))
    energy = xx + yy
    local = np.hypot(xx - yy, 2 * xy) / np.maximum(energy, 1e-8)
    return [float((local * energy).sum() / max(energy.sum(), 1e-8)), float(overall)]


def _co_occurrence(channel: NDArray[np.float32], distance: float) -> list[float]:
    """Haralick's contrast, homogeneity, energy and correlation of `_BINS` grey levels."""
    step = max(1, round(distance))
    levels = np.clip(channel * (_BINS / 1.6), 0, _BINS - 1).astype(np.intp)
    step = min(step, max(1, min(levels.shape) - 1))
    pairs = np.concatenate(
        [
            (levels[:, :-step] * _BINS + levels[:, step:]).ravel(),
            (levels[:-step] * _BINS + levels[step:]).ravel(),
        ]
    )
    table = np.bincount(pairs, minlength=_BINS * _BINS).reshape(_BINS, _BINS).astype(np.float64)
    table = (table + table.T) / (2 * max(table.sum(), 1))
    i, j = np.indices(table.shape)
    p = table.sum(axis=1)
    mean = float((p * np.arange(_BINS)).sum())
    variance = float((p * (np.arange(_BINS) - mean) ** 2).sum())
    covariance = float((table * (i - mean) * (j - mean)).sum())
    return [
        float((table * (i - j) ** 2).sum()), float((table / (1 + (i - j) ** 2)).sum()),
        float(np.sqrt((table * table).sum())), covariance / variance if variance > 1e-9 else 1.0,
    ]  # fmt: skip


def _bands(channel: NDArray[np.float32], um_per_px: float) -> list[float]:
    """Power between two blurs: how much structure there is of each size."""
    edges = [_smooth(channel, um / um_per_px / 2) for um in (1.4, 2.8, 5.6, 11.2, 22.4)]
    return [float(np.log((a - b).var() + 1e-6)) for a, b in pairwise(edges)]


def _nuclei(hematoxylin: NDArray[np.float32], um_per_px: float) -> list[float]:
    from scipy import ndimage

    smooth = _smooth(hematoxylin, 1.0 / um_per_px)
    dark = smooth > max(float(np.median(smooth)) + NUCLEUS * 0.5, NUCLEUS)
    share = float(dark.mean())
    if um_per_px > _FINEST_FOR_NUCLEI or not dark.any():
        inside = hematoxylin[dark] if dark.any() else np.zeros(1, dtype=np.float32)
        return [0.0, share, 0.0, 0.0, float(inside.mean()), float(inside.std()), 0.0, 0.0]
    blob = _smooth(hematoxylin, 2.2 / um_per_px)
    radius = max(1, round(3.0 / um_per_px))
    peaks = (ndimage.maximum_filter(blob, size=2 * radius + 1) == blob) & dark
    area = hematoxylin.size * um_per_px**2
    y, x = np.nonzero(peaks)
    pieces, count = ndimage.label(dark)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * um_per_px**2
    whole = sizes[sizes >= 8.0]
    if not len(whole):
        whole = np.zeros(1)
    inside = hematoxylin[dark]
    return [
        1e4 * len(y) / area, share, float(whole.mean()), float(whole.std()),
        float(inside.mean()), float(inside.std()), _roundness(dark), _crowding(x, y, um_per_px),
    ]  # fmt: skip


def _roundness(dark: NDArray[np.bool_]) -> float:
    """4 pi area / outline^2 of all nuclei together, outline counted in pixel sides."""
    outline = (dark[1:] != dark[:-1]).sum() + (dark[:, 1:] != dark[:, :-1]).sum()
    return float(np.sqrt(dark.sum()) / max(int(outline), 1) * 4)


def _crowding(x: Any, y: Any, um_per_px: float) -> float:
    """One over the mean distance to the nearest nucleus, per 100 um."""
    if len(x) < 3:
        return 0.0
    from scipy.spatial import cKDTree

    xy = np.column_stack([x, y]) * um_per_px
    distance, _ = cKDTree(xy).query(xy, k=2)
    return float(100 / max(distance[:, 1].mean(), 1.0))


def _rest(
    rgb: NDArray[np.float32], hematoxylin: NDArray[np.float32], eosin: NDArray[np.float32]
) -> list[float]:
    glass = (rgb.min(axis=2) > 0.82).mean()
    red = ((rgb[:, :, 0] > rgb[:, :, 1] + 0.25) & (rgb[:, :, 0] > rgb[:, :, 2] + 0.12)).mean()
    ratio = np.log((eosin.mean() + 0.02) / (hematoxylin.mean() + 0.02))
    return [float(glass), float(ratio), float((rgb.max(axis=2) < 0.35).mean()), float(red)]
