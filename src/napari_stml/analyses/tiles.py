"""Tiles of a slide: a regular grid on the tissue, or one around every observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.charts import histogram
from napari_stml.analyses._slides.slide import (
    ROW,
    SETTINGS,
    default_um_per_px,
    picture,
    settings_table,
    tiles_part,
    tissue_of,
)
from napari_stml.analyses._slides.tiles_live import (
    QUALITY,
    TilesLive,
    TilesLiveParams,
    counted,
    judged,
)
from napari_stml.core.analysis import register
from napari_stml.core.charts import Axis
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Pixels, Stored
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Result, Table, Tiles
from napari_stml.slide import grid as grids
from napari_stml.slide.brightfield import overview
from napari_stml.slide.quality import measures
from napari_stml.slide.reading import TileReader
from napari_stml.slide.tissue import PEN, TISSUE, find_tissue, fold_shares

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.analysis import Steps
    from napari_stml.core.geometry import Affine
    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.slide.grid import TileGrid

BATCH = 64
COARSE_UM = 8.0

__all__ = ["SETTINGS", "TileSetup", "TilesAnalysis"]


class TileSetup(Params):
    around: Literal["grid", "spots"] = param(
        "grid", title="Tiles", help="A regular grid on the tissue, or one tile around every spot.",
    )  # fmt: skip
    tissue: str = param(
        "", title="Tissue", source="run", holds="Mask",
        help="A Run of 'Tissue' that says where tissue is; empty finds it now.",
    )  # fmt: skip
    least_tissue: float = param(
        50.0, title="Least tissue", unit="%", ge=0, le=100,
        help="Tiles of the grid with less tissue are left out; those around spots are kept.",
    )  # fmt: skip
    pixels: int = param(
        224, title="Tile size", unit="px", ge=16, le=4096,
        help="Side of a tile as the encoder sees it.",
    )  # fmt: skip
    um_per_px: float = param(
        0.0, title="Resolution", unit="um/px", ge=0, le=50,
        help="0 takes 0.5, or the slide's own resolution where that is coarser.",
    )  # fmt: skip
    overlap: float = param(
        0.0, title="Overlap", unit="%", ge=0, le=90, help="Of neighbouring tiles of the grid.",
    )  # fmt: skip
    quality: bool = param(
        True, title="Measure sharpness", rare=True,
        help="Reads every tile once and measures how sharp and bright it is.",
    )  # fmt: skip
    enlarge: bool = param(
        False, title="Allow enlarging", rare=True,
        help="Accepts a resolution finer than the slide's; the pixels are then interpolated.",
    )  # fmt: skip
    image: str = param(
        "", title="Image", source="image", rare=True,
        help="The section's reference image unless another is chosen.",
    )  # fmt: skip
    channels: tuple[str, ...] = param(
        (), title="Channels", rare=True,
        help="Of a fluorescence image: shown over each other as colours.",
    )  # fmt: skip


@register
class TilesAnalysis:
    """Tiles with their share of tissue and their quality; stored once, used by every encoder."""

    name = "tiles"
    title = "Tiles"
    tab = "slide"
    order = 20
    sections = "one"
    context = "inside"
    Params = TileSetup
    LiveParams = TilesLiveParams

    def needs(self, params: TileSetup) -> Mapping[str, Need]:
        wanted: dict[str, Need] = {"pixels": Pixels(params.image or None)}
        if params.tissue:
            wanted["tissue"] = Stored(params.tissue, "tissue")
        return wanted

    def run(self, inputs: Inputs, params: TileSetup) -> Steps:
        section = inputs.one
        seen = picture(section, params.channels)
        yield Progress(0, 100, "placing tiles")
        classes, to_mask = _tissue(section, seen, params)
        um = default_um_per_px(seen.scale, params.um_per_px)
        grid, row = _placed(section, seen, params, um)
        grid = grids.with_share(grid, classes == TISSUE, to_mask)
        keep = _kept(section, seen, grid, params)
        grid, row = grid.only(keep), row[keep]
        if not len(grid):
            raise StmlError(
                "No tile has enough tissue", where=f"{section.section}, {section.scope.title}",
                do="lower the least tissue, or correct the tissue mask",
            )  # fmt: skip
        yield Progress(5, 100, f"{len(grid)} tiles")
        values: dict[str, NDArray[Any]] = {
            "tissue share": grid.share,
            "outside the slide": grid.outside,
            "pen share": grids.shares(grid, classes == PEN, to_mask),
            "fold share": _folds(grid, seen),
            ROW: row,
        }
        if params.quality:
            found = yield from _measured(grid, seen, inputs.threads)
            values["sharpness"], values["brightness"] = found.T
        usual = TilesLiveParams(least_tissue=params.least_tissue)
        values[QUALITY] = judged(values, usual)
        yield Progress(99, 100, "counting")
        charts = [histogram("tissue share of tiles", "Tissue in the tiles", Axis("tissue share"),
                            grid.share)]  # fmt: skip
        if params.quality:
            charts.append(histogram("sharpness of tiles", "Sharpness of the tiles",
                                    Axis("sharpness"), values["sharpness"]))  # fmt: skip
        said = settings_table(
            pixels=grid.pixels, um_per_pixel=repr(grid.um_per_px), around=params.around,
            image=params.image, channels=",".join(params.channels), slide=seen.slide.key,
        )  # fmt: skip
        told = "; ".join(f"{k}: {v}" for k, v in counted(values[QUALITY]).items())
        return Result.of(
            section.section, tiles_part(grid, seen, values, colour_by=QUALITY), said, *charts,
            shows="tiles",
            notes=(*seen.notes, *_notes(grid, section, params),
                   f"usual thresholds of quality would keep {told.removeprefix('kept: ')}"),
        )  # fmt: skip

    def live(self, result: Result, inputs: Inputs) -> TilesLive:
        tiles, settings = result.part("tiles"), result.part(SETTINGS)
        assert isinstance(tiles, Tiles)
        assert isinstance(settings, Table)
        return TilesLive(inputs.one.section, tiles, settings)


def _tissue(
    section: SectionInputs, seen: Picture, params: TileSetup
) -> tuple[NDArray[np.uint8], Affine]:
    """Classes of the mask, and the map from the slide's pixels to the mask's."""
    if params.tissue:
        mask = section["tissue"]
        tissue_of(mask, params.tissue)
        return np.asarray(mask.pixels, dtype=np.uint8), mask.affine.inverse() @ seen.affine
    view = overview(seen.slide, seen.scale, COARSE_UM, seen.look)
    pixels = view.pixels if seen.look.is_colour else 255 - view.pixels
    return find_tissue(pixels, view.um_per_px).classes, view.affine.inverse()


def _placed(
    section: SectionInputs, seen: Picture, params: TileSetup, um: float
) -> tuple[TileGrid, NDArray[np.int64]]:
    if params.around == "spots":
        if not len(section.names):
            raise StmlError(
                "This section has no spots or cells to put tiles around", where=section.section,
                do="choose a grid",
            )  # fmt: skip
        rows = np.flatnonzero(section.inside)
        xy = seen.on_slide(section.xy[rows])
        grid = grids.centred_on(xy, seen.canvas, params.pixels, um, upsample=params.enlarge)
        return grid, rows.astype(np.int64)
    grid = grids.grid_over(
        seen.canvas, params.pixels, um, overlap=params.overlap / 100, upsample=params.enlarge
    )
    return grid, np.full(len(grid), -1, dtype=np.int64)


def _kept(
    section: SectionInputs, seen: Picture, grid: TileGrid, params: TileSetup
) -> NDArray[np.bool_]:
    """Tiles with tissue inside the scope: its outlines, or around its observations."""
    if params.around == "spots":
        return np.ones(len(grid), dtype=bool)
    keep = grid.share >= params.least_tissue / 100
    if section.scope.polygons:
        keep &= grids.touching(grid, section.scope.polygons, seen.affine)
    elif section.scope.members is not None and len(section.names):
        keep &= _near(grid, seen.on_slide(section.xy[section.inside]))
    return keep


def _near(grid: TileGrid, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tiles that hold at least one of the points."""
    from scipy.spatial import cKDTree

    if not len(xy):
        return np.zeros(len(grid), dtype=bool)
    distance, _ = cKDTree(xy).query(grid.centres, p=np.inf)
    return np.asarray(distance <= grid.side / 2)


def _folds(grid: TileGrid, seen: Picture) -> NDArray[np.float32]:
    if not seen.look.is_colour:
        return np.zeros(len(grid), dtype=np.float32)
    view = overview(seen.slide, seen.scale, COARSE_UM)
    return grids.shares(grid, fold_shares(view.pixels), view.affine.inverse())


def _measured(
    grid: TileGrid, seen: Picture, threads: int
) -> Generator[Progress, None, NDArray[np.float32]]:
    out = np.empty((len(grid), 2), dtype=np.float32)
    done = 0
    reader = TileReader(seen.slide, grid, look=seen.look)
    for batch in reader.batches(BATCH, threads=threads):
        out[batch.index] = measures(batch.pixels)
        done += len(batch.index)
        yield Progress(5 + round(93 * done / len(grid)), 100, f"looked at {done} tiles")
    return out


def _notes(grid: TileGrid, section: SectionInputs, params: TileSetup) -> tuple[str, ...]:
    side = grid.pixels * grid.um_per_px
    where = "around spots" if params.around == "spots" else f"grid, {params.overlap:g} % overlap"
    notes = [f"{len(grid)} tiles of {grid.pixels} px at {grid.um_per_px:.3g} um per pixel "
             f"({side:.0f} um), {where}"]  # fmt: skip
    over = int((grid.outside > 0).sum())
    if over:
        notes.append(f"{over} tiles reach over the edge of the slide; there they are white")
    bare = int((grid.share < params.least_tissue / 100).sum())
    if bare:
        notes.append(f"{bare} tiles have less than {params.least_tissue:g} % tissue (kept)")
    return tuple(notes)
