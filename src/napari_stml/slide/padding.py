"""Black padding of a scan, which is no tissue: painted as glass wherever pixels are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DARK = 40
"""Padding is darker than this in all three colours (JPEG spreads it a little)."""

BLACK, MOSTLY = 8, 0.9
"""Nearly all of padding is as dark as this; ink, pigment and dense nuclei are only in part."""

LEAST = 0.01
"""Of a tile: smaller black pieces stay."""


def without_padding(
    rgb: NDArray[np.uint8], um_per_px: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Paint black padding white: large dark pieces that touch the border, or are huge."""
    dark = rgb.max(axis=2) <= DARK
    if not dark.any():
        return rgb, dark
    pieces, sizes, border = _pieces(dark)
    padding = border & (sizes > (100 / um_per_px) ** 2) | (sizes > 0.1 * dark.size)
    return _as_glass(rgb, pieces, padding)


def tile_without_padding(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint padding that reaches into a tile white: black pieces at its border."""
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    if not (border.max(axis=1) <= BLACK).any():  # nearly every tile: a glance at its border
        return rgb
    brightest = rgb.max(axis=2)
    pieces, sizes, at_border = _pieces(brightest <= DARK)
    black = np.bincount(pieces[brightest <= BLACK], minlength=len(sizes)) >= MOSTLY * sizes
    return _as_glass(rgb, pieces, at_border & black & (sizes >= LEAST * pieces.size))[0]


def _pieces(
    dark: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.bool_]]:
    """Connected dark pieces (0 is none), their sizes, and whether they touch the border."""
    from scipy import ndimage

    pieces, count = ndimage.label(dark)
    border = np.zeros(count + 1, dtype=bool)
    for edge in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        border[np.unique(edge)] = True
    return pieces, np.bincount(pieces.ravel(), minlength=count + 1), border


def _as_glass(
    rgb: NDArray[np.uint8], pieces: NDArray[np.int32], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The chosen pieces and their fringe in white, and where they are."""
    from scipy import ndimage

    chosen[0] = False
    padding = chosen[pieces]
    if not padding.any():
        return rgb, padding
    padding = ndimage.binary_dilation(padding, iterations=2)
    rgb = rgb.copy()
    rgb[padding] = 255
    return rgb, np.asarray(padding, dtype=np.bool_)
