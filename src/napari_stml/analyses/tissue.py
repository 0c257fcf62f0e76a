"""Where tissue lies on the slide.

Otsu 1979 on the saturation, with rules for padding, pen marks, pale tissue and slides without
glass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._slides.slide import picture, tissue_measures
from napari_stml.analyses._slides.tissue_live import TissueLive, TissueLiveParams, rules_of
from napari_stml.core.analysis import register
from napari_stml.core.needs import Pixels
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Mask, Result
from napari_stml.slide.brightfield import overview
from napari_stml.slide.tissue import CLASSES, TISSUE, find_tissue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.geometry import Affine
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need


class TissueParams(Params):
    um_per_px: float = param(
        8.0, title="Resolution", unit="um/px", ge=1, le=50,
        help="The slide is looked at this coarsely; 4 for small biopsies.",
    )  # fmt: skip
    threshold: float = param(
        0.0, title="Least saturation", ge=0, lt=1, step=0.01,
        help="Colour above which a place is tissue, 0 to 1; 0 finds it by itself.",
    )  # fmt: skip
    smallest: float = param(
        0.03, title="Smallest piece", unit="mm2", ge=0, le=1000,
        help="Smaller pieces are dust and left out.",
    )  # fmt: skip
    holes: float = param(
        0.05, title="Largest hole to fill", unit="mm2", ge=0, le=1000,
        help="Smaller holes (vessels, glands) count as tissue.",
    )  # fmt: skip
    pale: bool = param(
        True, title="Keep fat and pale tissue",
        help="Also takes thin stained nets, as fat cells are, that have little colour.",
    )  # fmt: skip
    pen: bool = param(True, title="Leave out pen marks", help="Ink on the glass is no tissue.")
    image: str = param(
        "", title="Image", source="image", rare=True,
        help="The section's reference image unless another is chosen.",
    )  # fmt: skip


@register
class Tissue:
    """A mask of the tissue, to be corrected with the brush and used by tiles."""

    name = "tissue"
    title = "Tissue"
    tab = "slide"
    order = 10
    sections = "one"
    context = "inside"
    corrected_by = "tissue-correction"
    Params = TissueParams
    LiveParams = TissueLiveParams

    def needs(self, params: TissueParams) -> Mapping[str, Need]:
        return {"pixels": Pixels(params.image or None)}

    def run(self, inputs: Inputs, params: TissueParams) -> Steps:
        section = inputs.one
        seen = picture(section)
        yield Progress(0, 3, "reading the slide")
        view = overview(seen.slide, seen.scale, params.um_per_px, seen.look)
        yield Progress(1, 3, "finding tissue")
        pixels = view.pixels if seen.look.is_colour else 255 - view.pixels
        found = find_tissue(pixels, view.um_per_px, rules_of(params))
        yield Progress(2, 3, "placing it")
        affine = seen.affine @ view.affine
        classes = found.classes
        notes = [*seen.notes, *found.notes]
        if section.scope.polygons:
            classes = np.where(_inside(section, classes.shape, affine), classes, 0).astype(np.uint8)
            notes.append(f"only inside {section.scope.title}")
        share = float((classes == TISSUE).mean())
        mm2 = share * classes.size * view.um_per_px**2 / 1e6
        notes.append(f"{mm2:.1f} mm2 of tissue, {share:.0%} of the slide")
        if len(section.xy):
            notes.append(f"{_covered(section, classes, affine):.1%} of the spots lie on it")
        mask = Mask("tissue", classes, affine, CLASSES)
        said = tissue_measures(
            classes == TISSUE, view.um_per_px, least_saturation=f"{found.threshold:.3f}"
        )
        return Result.of(section.section, mask, said, shows="tissue", notes=tuple(notes))

    def live(self, result: Result, inputs: Inputs, params: TissueParams) -> TissueLive:
        section = inputs.one
        seen = picture(section)
        view = overview(seen.slide, seen.scale, params.um_per_px, seen.look)
        keep = None
        if section.scope.polygons:
            keep = _inside(section, view.pixels.shape[:2], seen.affine @ view.affine)
        return TissueLive(section.section, seen, view, params, keep)


def _inside(section: SectionInputs, shape: tuple[int, ...], affine: Affine) -> NDArray[np.bool_]:
    import shapely

    area = shapely.union_all(shapely.from_wkb(list(section.scope.polygons)))
    shapely.prepare(area)
    y, x = np.indices(shape)
    xy = affine(np.column_stack([x.ravel() + 0.5, y.ravel() + 0.5]))
    return np.asarray(shapely.intersects_xy(area, xy[:, 0], xy[:, 1])).reshape(shape)


def _covered(section: SectionInputs, classes: NDArray[np.uint8], affine: Affine) -> float:
    at = np.floor(affine.inverse()(section.xy[section.inside])).astype(np.int64)
    h, w = classes.shape
    on = (at >= 0).all(axis=1) & (at[:, 0] < w) & (at[:, 1] < h)
    hit = classes[at[on, 1], at[on, 0]] == TISSUE
    return float(hit.sum() / max(len(at), 1))
