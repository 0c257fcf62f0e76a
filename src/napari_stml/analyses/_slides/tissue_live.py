"""The mask while its rules move: the slide was read once, the rules are applied anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._slides.slide import tissue_measures
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Mask, Result
from napari_stml.slide.tissue import CLASSES, TISSUE, TissueRules, find_tissue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.slide.brightfield import Overview
    from napari_stml.slide.tissue import TissueMask


class TissueLiveParams(LiveParams):
    threshold: float = param(
        0.0, title="Least saturation", ge=0, le=0.6, step=0.01,
        help="Colour above which a place is tissue; 0 finds it by itself.",
    )  # fmt: skip
    smallest: float = param(
        0.03, title="Smallest piece", unit="mm2", ge=0, le=2, step=0.01,
        help="Smaller pieces are dust and left out.",
    )  # fmt: skip
    holes: float = param(
        0.05, title="Largest hole to fill", unit="mm2", ge=0, le=2, step=0.01,
        help="Smaller holes (vessels, glands) count as tissue.",
    )  # fmt: skip


def rules_of(params: Any, live: TissueLiveParams | None = None) -> TissueRules:
    """The rules of a form, with what a slider moved."""
    moved = live or params
    return TissueRules(
        threshold=moved.threshold, smallest_mm2=moved.smallest, hole_mm2=moved.holes,
        pen=params.pen, pale=params.pale,
    )  # fmt: skip


class TissueLive:
    """Finds the tissue again on the picture that is in memory."""

    def __init__(
        self, section: str, seen: Picture, view: Overview, params: Any,
        keep: NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        self._section, self._view, self._params, self._keep = section, view, params, keep
        self._affine = seen.affine @ view.affine
        self._pixels = view.pixels if seen.look.is_colour else 255 - view.pixels
        self._known: dict[str, TissueMask] = {}

    def update(self, params: TissueLiveParams, selection: tuple[str, ...] | None) -> Result:
        classes = self._classes(params)
        return Result.of(
            self._section, Mask("tissue", classes, self._affine, CLASSES),
            tissue_measures(classes == TISSUE, self._view.um_per_px), shows="tissue",
        )  # fmt: skip

    def readout(self, params: TissueLiveParams) -> Mapping[str, str]:
        tissue = self._classes(params) == TISSUE
        used = self._known[params.canonical()].threshold
        return {
            "tissue": f"{tissue.sum() * self._view.um_per_px**2 / 1e6:.1f} mm2, "
            f"{tissue.mean():.0%} of the slide",
            "least saturation": f"{used:.2f}",
        }

    def _classes(self, params: TissueLiveParams) -> NDArray[np.uint8]:
        key = params.canonical()
        if key not in self._known:
            rules = rules_of(self._params, params)
            self._known = {key: find_tissue(self._pixels, self._view.um_per_px, rules)}
        classes = self._known[key].classes
        return classes if self._keep is None else np.where(self._keep, classes, 0).astype(np.uint8)
