"""Colours: categories that colour-blind eyes can tell apart, maps for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.colour_maps import ANCHORS
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RGBA = NDArray[np.float32]

PALETTE = (
    # Okabe and Ito's eight without black, then lighter and darker relatives of the same hues
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
    "#5d3a9b", "#1a5e45", "#a6cee3", "#7f3b08", "#fdb863", "#b8a1d9", "#6b6b6b",
    "#003f5c", "#ffa8b6", "#8c9b2f", "#40e0d0", "#7b1e3b", "#c0c0c0",
)  # fmt: skip
"""In the order in which categories take them; beyond twenty they repeat, darker."""

MISSING = np.array([0.62, 0.62, 0.62, 0.45], dtype=np.float32)
"""Of an observation that has no value: grey that lets the tissue through, seen on white too."""

MAPS = ("viridis", "magma", "cividis", "inferno", "turbo", "gray", "RdBu_r")


def rgba(colour: str, alpha: float = 1.0) -> RGBA:
    """Turn #rrggbb into four floats."""
    text = colour.lstrip("#")
    return np.array([*(int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)), alpha], np.float32)


def hex_of(colour: Sequence[float] | RGBA) -> str:
    return "#" + "".join(f"{round(255 * float(c)):02x}" for c in tuple(colour)[:3])


def palette(categories: Sequence[str], chosen: Mapping[str, str] | None = None) -> RGBA:
    """One colour per category, (k + 1, 4); the last row is for missing values."""
    rows = []
    for i, name in enumerate(categories):
        if chosen and name in chosen:
            rows.append(rgba(chosen[name]))
            continue
        colour = rgba(PALETTE[i % len(PALETTE)])
        colour[:3] *= 0.7 ** (i // len(PALETTE))
        rows.append(colour)
    return np.vstack([*rows, MISSING]).astype(np.float32)


@dataclass(frozen=True)
class ColourScale:
    """A colour map with limits; numbers outside are drawn in its end colours."""

    name: str
    low: float
    high: float

    @property
    def table(self) -> RGBA:
        return lookup(self.name)

    def __call__(self, values: NDArray[Any]) -> RGBA:
        """RGBA per value, missing ones grey."""
        span = self.high - self.low
        numbers = np.asarray(values, dtype=np.float32)
        position = (numbers - self.low) / span if span > 0 else np.full(numbers.shape, 0.5)
        missing = ~np.isfinite(position)
        steps = np.where(missing, 0, np.clip(position, 0, 1) * 255).astype(np.intp)
        colours = self.table[steps]
        colours[missing] = MISSING
        return colours


@cache
def lookup(name: str) -> RGBA:
    """The 256 colours of a named map; not to be changed.

    ``#rrggbb`` is a map from white to that colour, ``NAME_r`` one upside down.
    """
    if name.startswith("#"):
        ramp = np.linspace(1, 0, 256)[:, None]
        return np.asarray(ramp * rgba("#ffffff") + (1 - ramp) * rgba(name), dtype=np.float32)
    if name not in ANCHORS and name.removesuffix("_r") in ANCHORS:
        return lookup(name.removesuffix("_r"))[::-1]
    if name not in ANCHORS:
        raise StmlError(f"There is no colour map '{name}'", do=f"choose one of {', '.join(MAPS)}")
    colours = [rgba(ANCHORS[name][i : i + 6]) for i in range(0, len(ANCHORS[name]), 6)]
    at, steps = np.linspace(0, 1, len(colours)), np.linspace(0, 1, 256)
    table = np.column_stack([np.interp(steps, at, c) for c in zip(*colours, strict=True)])
    table = table.astype(np.float32)
    table.flags.writeable = False
    return table


def limits(values: NDArray[Any], low: float = 1.0, high: float = 99.0) -> tuple[float, float]:
    """Percentile limits of what is there; a constant gets a little room around it."""
    there = np.asarray(values)[np.isfinite(values)]
    if there.size == 0:
        return 0.0, 1.0
    a, b = (float(v) for v in np.percentile(there, [low, high]))
    if a == b:
        a, b = float(there.min()), float(there.max())
    return (a, b) if b > a else (a - 0.5, a + 0.5)
