"""The slide taken apart into its dyes, and painted with reference dyes: seen, never stored.

Macenko et al. 2009, Reinhard et al. 2001; fixed dyes of Ruifrok and Johnston 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_stml.analyses._slides.features import tiles_for
from napari_stml.analyses._slides.slide import picture
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Pixels
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Result, Table, View
from napari_stml.core.slide_views import dyes_as_numbers, statistics_as_numbers
from napari_stml.core.stain import RUIFROK, ColourStatistics, Dyes
from napari_stml.slide.embedding import Work, pooled_pixels
from napari_stml.slide.stain import fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

DYES = ("hematoxylin", "eosin", "residual")


class StainViewsParams(Params):
    dyes: Literal["fitted", "fixed"] = param(
        "fitted", title="Dyes",
        help="Fitted on this slide (Macenko), or the fixed ones of Ruifrok and Johnston.",
    )  # fmt: skip
    normalised: bool = param(
        True, title="Normalised pictures",
        help="Also the slide painted with reference dyes (Macenko) and reference colours "
        "(Reinhard).",
    )  # fmt: skip
    image: str = param(
        "", title="Image", source="image", rare=True,
        help="The section's reference image unless another is chosen.",
    )  # fmt: skip


@register
class StainViews:
    """Hematoxylin, eosin and what neither explains, as pictures of their own."""

    name = "stain-views"
    title = "Stain"
    tab = "slide"
    order = 15
    sections = "one"
    context = "inside"
    Params = StainViewsParams

    def needs(self, params: StainViewsParams) -> Mapping[str, Need]:
        return {"pixels": Pixels(params.image or None)}

    def run(self, inputs: Inputs, params: StainViewsParams) -> Steps:
        section = inputs.one
        yield Progress(0, 3, "reading the slide")
        seen = picture(section)
        if not seen.look.is_colour:
            raise StmlError(
                "This image has channels, no stain", where=section.section,
                do="choose a bright-field image",
            )  # fmt: skip
        grid, _ = tiles_for(section, seen, "")
        work = Work(seen.slide, grid, seen.look)
        pixels = pooled_pixels(work, inputs.seed)
        yield Progress(1, 3, "finding the dyes")
        notes = list(seen.notes)
        found = fit(pixels, "macenko") if params.dyes == "fitted" else None
        fixed = not isinstance(found, Dyes)
        if params.dyes == "fitted" and fixed:
            notes.append("no two dyes were found on this slide: the fixed ones are shown")
        dyes = found if isinstance(found, Dyes) else fixed_dyes(pixels)
        views = [View(name, name, dyes_as_numbers(dyes), params.image) for name in DYES]
        if params.normalised:
            views.append(View("macenko", "macenko", dyes_as_numbers(dyes), params.image))
            colours = fit(pixels, "reinhard")
            if isinstance(colours, ColourStatistics):
                numbers = statistics_as_numbers(colours)
                views.append(View("reinhard", "reinhard", numbers, params.image))
            else:
                notes.append("too little colour for Reinhard's statistics")
        yield Progress(2, 3, "keeping the numbers")
        notes.append(
            "fixed dyes of Ruifrok and Johnston" if fixed
            else f"dyes fitted on {len(pixels):,} pixels of tissue"
        )  # fmt: skip
        said = Table("dyes", {
            "dye": ("hematoxylin", "eosin"),
            **{c: tuple(np.round(dyes.vectors[:, i], 4).tolist())
               for i, c in enumerate(("red", "green", "blue"))},
            "99th percentile": tuple(np.round(dyes.most, 3).tolist()),
        })  # fmt: skip
        return Result.of(section.section, *views, said, shows="hematoxylin", notes=tuple(notes))


def fixed_dyes(pixels: NDArray[np.uint8]) -> Dyes:
    """Ruifrok's dyes with the amounts that these pixels hold."""
    amounts = Dyes(RUIFROK, np.ones(2)).amounts(pixels).reshape(-1, 2)
    most = np.percentile(amounts, 99, axis=0) if len(amounts) else np.ones(2)
    return Dyes(RUIFROK, np.maximum(most.astype(np.float64), 0.1))
