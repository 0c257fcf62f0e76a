"""A mask that the user corrected with the brush: a Run of its own, the first mask stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._slides.slide import tissue_measures, tissue_of
from napari_stml.core.analysis import register
from napari_stml.core.brush import painted
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Stored
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Mask, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class CorrectionParams(Params):
    tissue: str = param(
        ..., title="Tissue", source="run", holds="Mask", min_length=1,
        help="The mask that was painted on.",
    )  # fmt: skip
    changes: str = param(
        ..., title="Changes", help="What the brush changed, as the window writes it.", min_length=1
    )


@register
class TissueCorrection:
    """A tissue mask corrected with the brush, kept beside the one that was found."""

    name = "tissue-correction"
    title = "Tissue, corrected by hand"
    tab = "slide"
    order = 11
    sections = "one"
    context = "inside"
    offered = False
    Params = CorrectionParams

    def needs(self, params: CorrectionParams) -> Mapping[str, Need]:
        return {"tissue": Stored(params.tissue, "tissue")}

    def run(self, inputs: Inputs, params: CorrectionParams) -> Steps:
        section = inputs.one
        yield Progress(0, 1, "painting")
        mask = section["tissue"]
        before = tissue_of(mask, params.tissue)
        pixels = painted(np.asarray(mask.pixels), params.changes)
        unknown = set(np.unique(pixels).tolist()) - {0, *mask.classes}
        if unknown:
            raise StmlError(
                f"The class {min(unknown)} is not one of this mask", where=params.tissue,
                do="paint with 1 (tissue), 2 (pen) or 0 (nothing)",
            )  # fmt: skip
        after = pixels == 1
        um = _um_per_px(section.um_per_px, mask)
        mm2 = um**2 / 1e6 if um else 0.0
        added, lost = (int(n.sum()) for n in (after & ~before, before & ~after))
        notes = [
            f"{int((pixels != mask.pixels).sum()):,} pixels of {params.tissue} changed by hand"
        ]
        if mm2:
            notes.append(f"{added * mm2:.3g} mm2 of tissue added, {lost * mm2:.3g} mm2 taken away")
        said = tissue_measures(after, um)
        return Result.of(
            section.section, Mask("tissue", pixels, mask.affine, mask.classes), said,
            shows="tissue", notes=tuple(notes),
        )  # fmt: skip


def _um_per_px(scale: object, mask: Mask) -> float:
    mean = getattr(scale, "mean", 0.0)
    return float(mean * mask.affine.length_factor)
