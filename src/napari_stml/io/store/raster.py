"""Images and masks written as SpatialData's OME-Zarr, block by block, in bounded memory.

spatialdata's own writer takes dask arrays and no storage options; pyramids of whole slides need
3 x 512 x 512 chunks and must not build a graph of every tile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.geometry import Affine
from napari_stml.core.pyramid import halved
from napari_stml.io.store.root import GROUP
from napari_stml.io.store.transforms import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_stml.io.slides.base import Slide

CHUNK = 512
_BLOCK = 4 * CHUNK
_SMALLEST = 512

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Raster:
    """Pixels to be written; ``read(y, x, height, width)`` returns (c, h, w), or (h, w) for masks.

    ``channels`` is None for masks.
    """

    height: int
    width: int
    dtype: np.dtype[Any]
    read: Callable[[int, int, int, int], Pixels]
    channels: tuple[str, ...] | None = None

    @classmethod
    def of_image(cls, pixels: Any, channels: Sequence[str] | None = None) -> Raster:
        """From a (c, y, x) array: numpy, zarr or dask."""
        count, height, width = pixels.shape
        names = tuple(channels or (("r", "g", "b") if count == 3 else map(str, range(count))))
        return cls(height, width, np.dtype(pixels.dtype), _window(pixels), names)

    @classmethod
    def of_mask(cls, pixels: Any) -> Raster:
        """From a (y, x) array of whole numbers, 0 where nothing is."""
        height, width = pixels.shape
        return cls(height, width, np.dtype(pixels.dtype), _window(pixels))

    @classmethod
    def of_slide(cls, slide: Slide) -> Raster:
        def read(y: int, x: int, height: int, width: int) -> Pixels:
            return np.moveaxis(slide.read(x, y, 0, width, height), -1, 0)

        return cls(slide.height, slide.width, slide.dtype, read, slide.channels)


def write_raster(
    folder: Path,
    raster: Raster,
    *,
    affine: Affine | None = None,
    coordinate_system: str = "global",
) -> None:
    """Write an element with all its levels, each half the one before down to 512 pixels.

    Images are averaged, masks keep the value of every second pixel.
    """
    axes = ("y", "x") if raster.channels is None else ("c", "y", "x")
    folder.mkdir(parents=True)
    sizes = [(raster.height, raster.width)]
    while max(sizes[-1]) > _SMALLEST and min(sizes[-1]) > 1:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    finer = None
    for level, (height, width) in enumerate(sizes):
        array = _create(folder / f"s{level}", raster, height, width, axes)
        for y in range(0, height, _BLOCK):
            for x in range(0, width, _BLOCK):
                h, w = min(_BLOCK, height - y), min(_BLOCK, width - x)
                if finer is None:
                    block = raster.read(y, x, h, w)
                else:
                    block = finer[..., 2 * y : 2 * (y + h), 2 * x : 2 * (x + w)]
                    block = _halve(block, "nearest" if raster.channels is None else "mean")
                array[..., y : y + h, x : x + w] = block
        finer = array
    node = {**GROUP, "attributes": _attributes(folder.name, raster, sizes, axes)}
    holder = node["attributes"]["ome"]["multiscales"][0]
    holder["coordinateTransformations"] = [encode(affine or Affine(), axes, coordinate_system)]
    (folder / "zarr.json").write_text(json.dumps(node, indent=2))


def _create(path: Path, raster: Raster, height: int, width: int, axes: Sequence[str]) -> Any:
    import zarr
    from zarr.codecs import ZstdCodec

    lead = () if raster.channels is None else (len(raster.channels),)
    # a few fluorescence planes are shown one by one: only colour shares a chunk
    planes = lead if raster.dtype == np.uint8 and lead == (3,) else (1,) * len(lead)
    return zarr.create_array(
        store=path,
        shape=(*lead, height, width),
        chunks=(*planes, CHUNK, CHUNK),
        dtype=raster.dtype,
        compressors=ZstdCodec(level=0, checksum=False),
        fill_value=0,
        dimension_names=list(axes),
        zarr_format=3,
    )


def _halve(block: Pixels, how: Literal["mean", "nearest"]) -> Pixels:
    height, width = block.shape[-2] // 2 * 2, block.shape[-1] // 2 * 2
    block = block[..., :height, :width]
    if how == "nearest":
        return block[..., ::2, ::2]
    if block.dtype.kind == "f":
        return halved(block)
    total: Pixels = np.zeros((*block.shape[:-2], height // 2, width // 2), dtype=np.int64)
    for dy in (0, 1):
        for dx in (0, 1):
            total += block[..., dy::2, dx::2]
    return ((total + 2) // 4).astype(block.dtype)


def _attributes(
    name: str, raster: Raster, sizes: Sequence[tuple[int, int]], axes: Sequence[str]
) -> dict[str, Any]:
    lead = [1.0] * (len(axes) - 2)
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [*lead, raster.height / h, raster.width / w]}
            ],
        }
        for level, (h, w) in enumerate(sizes)
    ]
    described = [{"name": a, "type": "channel" if a == "c" else "space"} for a in axes]
    ome: dict[str, Any] = {
        "version": "0.5-dev-spatialdata",
        "multiscales": [{"name": name, "axes": described, "datasets": datasets}],
    }
    if raster.channels is None:
        ome["image-label"] = {"version": "0.5"}
    else:
        ome["omero"] = {"channels": [{"label": c} for c in raster.channels]}
    return {"ome": ome, "spatialdata_attrs": {"version": "0.3"}}


def _window(pixels: Any) -> Callable[[int, int, int, int], Pixels]:
    def read(y: int, x: int, height: int, width: int) -> Pixels:
        return np.asarray(pixels[..., y : y + height, x : x + width])

    return read
