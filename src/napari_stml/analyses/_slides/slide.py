"""The slide of a section for the analyses of pixels: its scale, colours, tiles and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.results import Mask, Table, Tiles
from napari_stml.slide.brightfield import Look, look_of, scale_of
from napari_stml.slide.grid import Canvas, TileGrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.geometry import Affine, UmPerPx
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.io.slides.base import Slide

SETTINGS = "tile settings"
ROW = "observation"
"""Column of tiles: the row of the observation they are centred on, -1 on a grid."""


@dataclass(frozen=True)
class Picture:
    """A slide ready to be read; ``affine`` maps its level-0 pixels to reference pixels."""

    slide: Slide
    affine: Affine
    scale: UmPerPx
    look: Look
    notes: tuple[str, ...]

    @property
    def canvas(self) -> Canvas:
        return Canvas(self.slide.width, self.slide.height, self.scale, self.slide.uri)

    def on_slide(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Reference pixels as level-0 pixels of this slide."""
        return np.asarray(self.affine.inverse()(xy), dtype=np.float64)


def picture(
    section: SectionInputs, channels: tuple[str, ...] = (), name: str = "pixels"
) -> Picture:
    placed = section[name]
    if placed.slide.mask:
        raise StmlError(
            "This image is a mask of objects, not a picture", where=section.section,
            do="choose another image",
        )  # fmt: skip
    look, notes = look_of(placed.slide, channels)
    scale = scale_of(placed, section.um_per_px, section.section)
    return Picture(placed.slide, placed.affine, scale, look, notes)


def default_um_per_px(scale: UmPerPx, wanted: float, usual: float = 0.5) -> float:
    """What 0 stands for: the usual value, or the slide's own where that is coarser."""
    return wanted or max(usual, scale.mean)


def tiles_part(
    grid: TileGrid, seen: Picture, values: Mapping[str, NDArray[Any]], name: str = "tiles",
    colour_by: str = "",
) -> Tiles:  # fmt: skip
    """A grid in reference pixels; where the slide lies turned, its tiles are drawn upright."""
    side = grid.side * seen.affine.length_factor
    xy = seen.affine(grid.centres) - side / 2
    return Tiles(name, np.asarray(xy, dtype=np.float64), float(side), dict(values), colour_by)


def grid_of(tiles: Any, settings: Any, seen: Picture, run: str) -> TileGrid:
    """The grid of a stored Run, as `tiles_part` kept it."""
    if not isinstance(tiles, Tiles) or not isinstance(settings, Table):
        raise StmlError("This Run holds no tiles", where=run, do="choose a Run of 'Tiles'")
    said = read_settings(settings)
    try:
        pixels, um = int(said["pixels"]), float(said["um per pixel"])
    except (KeyError, ValueError) as error:
        raise StmlError("The tiles' settings cannot be read", where=run) from error
    if said.get("slide") != seen.slide.key:
        raise StmlError(
            "These tiles were made on another image, or the image has changed since", where=run,
            do="make the tiles anew on this image",
        )  # fmt: skip
    side = pixels * um / seen.scale.mean
    centres = seen.on_slide(tiles.xy + tiles.side / 2)
    xy = np.round(centres - side / 2).astype(np.int64)
    n = len(xy)
    share = np.asarray(tiles.values.get("tissue share", np.ones(n)), dtype=np.float32)
    outside = np.asarray(tiles.values.get("outside the slide", np.zeros(n)), dtype=np.float32)
    return TileGrid(xy, side, pixels, um, share, outside)


def settings_table(**said: object) -> Table:
    names = tuple(k.replace("_", " ") for k in said)
    return Table(SETTINGS, {"quantity": names, "value": tuple(str(v) for v in said.values())})


def read_settings(table: Table) -> dict[str, str]:
    return dict(zip(map(str, table.columns["quantity"]), map(str, table.columns["value"]),
                    strict=True))  # fmt: skip


def tissue_of(mask: Any, run: str) -> NDArray[np.bool_]:
    """Tissue pixels of a stored mask (class 1)."""
    if not isinstance(mask, Mask):
        raise StmlError("This Run holds no mask", where=run, do="choose a Run of 'Tissue'")
    return np.asarray(mask.pixels == 1)


def tissue_measures(tissue: NDArray[np.bool_], um_per_px: float, **more: object) -> Table:
    """Area and share of the tissue, and what else is said of a mask."""
    said: dict[str, object] = {
        "tissue mm2": f"{tissue.sum() * um_per_px**2 / 1e6:.3f}",
        "share of the slide": f"{tissue.mean():.4f}",
        "um per pixel": f"{um_per_px:.4g}",
    }
    said |= {k.replace("_", " "): v for k, v in more.items()}
    return Table("tissue measures", {
        "quantity": tuple(said), "value": tuple(str(v) for v in said.values()),
    })  # fmt: skip
