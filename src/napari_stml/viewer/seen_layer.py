"""A slide seen through a formula, as a napari layer that computes only what is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.slide_views import formula
from napari_stml.viewer.levels import levels

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_stml.core.results import View
    from napari_stml.core.slide_views import Formula
    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.slides.base import Pixels
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.levels import Watch


class SeenLevel:
    """One level through a formula; an array as napari takes it."""

    def __init__(self, level: Any, seen: Formula) -> None:
        self._level, self._seen = level, seen
        self.shape = tuple(level.shape[:2]) + ((3,) if seen.rgb else ())
        self.dtype = np.dtype(np.uint8 if seen.rgb else np.float32)
        self.chunks = getattr(level, "chunks", self.shape)[: len(self.shape)]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if any(k is Ellipsis for k in keys):
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            missing = self.ndim - len(keys) + 1
            keys = (*keys[:at], *[slice(None)] * missing, *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (self.ndim - len(keys)))
        rgb = np.asarray(self._level[(*keys[:2], slice(None))], dtype=np.uint8)
        found = self._seen.seen(rgb)
        return found[..., keys[2]] if self._seen.rgb else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        found = np.asarray(self[...])
        return found if dtype is None else found.astype(dtype)


def seen_layer(
    view: View, placed: PlacedSlide, name: str, frame: Frame, coarse: Pixels | None = None,
    watch: Watch | None = None,
) -> Image:  # fmt: skip
    """The layer of a view; raises where its image has no colour."""
    from napari.layers import Image
    from napari.utils.colormaps import Colormap

    if not placed.slide.rgb:
        raise StmlError("Only a colour image can be seen through its stain", where=view.name)
    seen = formula(view)
    data: Any = [SeenLevel(level, seen) for level in levels(placed.slide, None, coarse, watch)]
    common: dict[str, Any] = {
        "multiscale": True,
        "cache": False,
        "name": name,
        **frame.raster(placed.affine),
    }
    if seen.rgb:
        return Image(data, rgb=True, **common)
    colours: Any = seen.colour
    if seen.colour.startswith("#"):
        colours = Colormap(["#ffffff", seen.colour], name=f"stml {view.through}")
    return Image(data, rgb=False, colormap=colours, contrast_limits=seen.limits, **common)
