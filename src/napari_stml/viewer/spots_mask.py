"""Cells as they were segmented: a label pyramid whose ids become codes while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.viewer.levels import WatchedLevel
from napari_stml.viewer.spots import Spots, all_plain
from napari_stml.viewer.spots_raster import code_image, set_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.contents import Observations, PlacedSlide
    from napari_stml.io.slides.base import Slide
    from napari_stml.viewer.frame import Frame
    from napari_stml.viewer.levels import Watch
    from napari_stml.viewer.paint import Codes, Paint

LARGEST_LOOKUP = 50_000_000
"""Ids up to here are looked up directly; larger ones by search."""


class CodeOfId:
    """Turns ids of a mask into codes; what is no observation is background."""

    def __init__(self, ids: NDArray[np.int64], codes: Codes) -> None:
        self._order = np.argsort(ids)
        self._ids = ids[self._order]
        self._direct = bool(len(ids)) and self._ids[0] >= 0 and self._ids[-1] < LARGEST_LOOKUP
        self._given = ids
        self.set_codes(codes)

    def set_codes(self, codes: Codes) -> None:
        if self._direct:
            lookup = np.zeros(int(self._ids[-1]) + 2, dtype=np.uint8)
            lookup[self._given] = codes
            self._lookup = lookup
        else:
            self._sorted = codes[self._order]

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        if self._direct:
            lookup = self._lookup
            return lookup[np.clip(pixels.astype(np.int64, copy=False), 0, len(lookup) - 1)]
        if not len(self._ids):
            return np.zeros(pixels.shape, dtype=np.uint8)
        at = np.clip(np.searchsorted(self._ids, pixels), 0, len(self._ids) - 1)
        return np.where(self._ids[at] == pixels, self._sorted[at], np.uint8(0))


class CodedLevel(WatchedLevel):
    """A level of a mask, read as codes."""

    def __init__(self, slide: Slide, level: int, watch: Watch | None, code: CodeOfId) -> None:
        super().__init__(slide, level, None, watch)
        self.dtype = np.dtype(np.uint8)
        self._code = code

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self._code(super().__getitem__(key))


class MaskSpots(Spots):
    """Segmented cells; a change of colour is applied while the visible tiles are sliced."""

    def __init__(
        self,
        name: str,
        observations: Observations,
        mask: PlacedSlide,
        frame: Frame,
        coarse: NDArray[Any] | None = None,
        watch: Watch | None = None,
    ) -> None:
        if observations.mask_ids is None:
            raise ValueError("a mask without ids belongs to no observations")
        self.paint = all_plain(observations)
        self._code = CodeOfId(np.asarray(observations.mask_ids, np.int64), self.paint.codes)
        self._coarse = coarse
        count = len(mask.slide.levels) - (coarse is not None)
        self._levels = [CodedLevel(mask.slide, i, watch, self._code) for i in range(count)]
        self.layer = code_image(
            self._data(), name, self.paint.table,
            multiscale=True, cache=False, **frame.raster(mask.affine),
        )  # fmt: skip

    def apply(self, paint: Paint) -> None:
        recoloured = not np.array_equal(paint.table, self.paint.table)
        self._code.set_codes(paint.codes)
        self.paint = paint
        self.layer.data = self._data()
        if recoloured:
            set_table(self.layer, paint.table)

    def set_size(self, factor: float) -> None:
        """Cells have the size that they have."""

    def _data(self) -> list[Any]:
        last = [] if self._coarse is None else [self._code(self._coarse)]
        return [*self._levels, *last]
