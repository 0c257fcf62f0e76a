"""Slides as napari layers: colour at once, further channels as named layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.io.slides import pyramid

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.base import Slide
    from napari_stml.viewer.frame import Frame

CHANNEL_COLOURS = ("blue", "green", "magenta", "yellow", "cyan", "red", "gray")


def slide_layers(name: str, placed: PlacedSlide, frame: Frame) -> list[Image]:
    """One layer for a colour slide, one per channel else (blended by addition)."""
    from napari.layers import Image

    slide = placed.slide
    common: dict[str, Any] = {"multiscale": True, "cache": False, **frame.raster(placed.affine)}
    if slide.rgb:
        return [Image(pyramid(slide), rgb=True, name=name, **common)]
    layers = []
    for i, channel in enumerate(slide.channels):
        title = name if len(slide.channels) == 1 else f"{name} / {channel}"
        layers.append(
            Image(
                pyramid(slide, channel=i),
                rgb=False,
                name=title,
                colormap="gray" if len(slide.channels) == 1 else CHANNEL_COLOURS[i % 7],
                blending="translucent" if i == 0 else "additive",
                contrast_limits=channel_limits(slide, i),
                visible=i < 4,
                **common,
            )
        )
    return layers


def channel_limits(slide: Slide, channel: int) -> tuple[float, float]:
    """Limits of one channel from the coarsest level: background to the brightest thousandth."""
    level = slide.levels[-1]
    pixels = slide.read(
        0,
        0,
        len(slide.levels) - 1,
        min(level.width, 2048),
        min(level.height, 2048),
        channel=channel,
    )
    low, high = (float(v) for v in np.nanpercentile(pixels, [1, 99.9]))
    return (low, high) if high > low else (low, low + 1)
