"""Colours of the canvas: those of every figure, see `napari_stml.core.colours`."""

from __future__ import annotations

from napari_stml.core.colours import (
    MAPS,
    MISSING,
    PALETTE,
    RGBA,
    ColourScale,
    hex_of,
    limits,
    lookup,
    palette,
    rgba,
)

__all__ = [
    "MAPS",
    "MISSING",
    "PALETTE",
    "RGBA",
    "ColourScale",
    "hex_of",
    "limits",
    "lookup",
    "palette",
    "rgba",
]
