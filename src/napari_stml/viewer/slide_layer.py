"""Slides as napari layers: colour at once, further channels as named layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.viewer.levels import levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.base import Pixels
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.levels import Watch

CHANNEL_COLOURS = ("blue", "green", "magenta", "yellow", "cyan", "red", "gray")


def slide_layers(
    name: str,
    placed: PlacedSlide,
    frame: Frame,
    coarse: Pixels | None = None,
    limits: Sequence[tuple[float, float]] = (),
    watch: Watch | None = None,
) -> list[Image]:
    """One layer for a colour slide, one per channel else (blended by addition).

    ``coarse`` and ``limits`` were read before, off the main thread; nothing is read here.
    """
    from napari.layers import Image

    slide = placed.slide
    common: dict[str, Any] = {"multiscale": True, "cache": False, **frame.raster(placed.affine)}
    if slide.rgb:
        return [Image(levels(slide, None, coarse, watch), rgb=True, name=name, **common)]
    layers = []
    for i, channel in enumerate(slide.channels):
        one = len(slide.channels) == 1
        plane = None if coarse is None else coarse[:, :, i]
        layers.append(
            Image(
                levels(slide, i, plane, watch),
                rgb=False,
                name=name if one else f"{name} / {channel}",
                colormap="gray" if one else CHANNEL_COLOURS[i % 7],
                blending="translucent" if i == 0 else "additive",
                contrast_limits=limits[i] if i < len(limits) else _range(slide.dtype),
                visible=i < 4,
                **common,
            )
        )
    return layers


def mask_layer(
    name: str,
    placed: PlacedSlide,
    frame: Frame,
    coarse: Pixels | None = None,
    watch: Watch | None = None,
) -> Labels:
    """A label mask in napari's cycle of label colours, not to be edited."""
    from napari.layers import Labels

    plane = None if coarse is None else coarse[:, :, 0]
    layer = Labels(
        levels(placed.slide, None, plane, watch),
        multiscale=True, cache=False, name=name, opacity=0.5, **frame.raster(placed.affine),
    )  # fmt: skip
    layer.editable = False
    return layer


def _range(dtype: Any) -> tuple[float, float]:
    """Of all values that the type can hold; numbers with a point lie between 0 and 1."""
    import numpy as np

    kind = np.dtype(dtype)
    return (0.0, float(np.iinfo(kind).max)) if kind.kind in "ui" else (0.0, 1.0)
