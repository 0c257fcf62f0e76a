"""What a model sees of a section: tiles of pixels, and features around the spots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._expression.lattice_features import nodes_of
from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._slides.features import USUAL_UM, stored_features
from napari_stml.analyses._slides.slide import SETTINGS, picture, read_settings
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Table
from napari_stml.slide.context import SCALES, basic_at, wider
from napari_stml.slide.embedding import Work, embed
from napari_stml.slide.encoders.basic import BasicEncoder
from napari_stml.slide.grid import centred_on
from napari_stml.slide.reading import TileReader

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.core.progress import Progress
    from napari_stml.methods.expression_models.samples import Slide

BATCH = 64
PIXELS = 64
FINEST_UM = 0.5


@dataclass(frozen=True)
class Around:
    """Places of a section on its slide, (n, 2) in level-0 pixels, that are to be looked at."""

    section: SectionInputs
    seen: Picture
    xy: NDArray[np.float64]
    threads: int = 1

    @classmethod
    def spots(cls, section: SectionInputs, rows: NDArray[np.intp], threads: int) -> Around:
        seen = picture(section)
        return cls(section, seen, seen.on_slide(section.xy[rows]), max(1, threads))

    def pitch_px(self) -> float:
        """Distance of neighbouring spots on the slide."""
        from napari_stml.methods.expression_models.lattice import pitch_of

        return pitch_of(self.seen.on_slide(self.section.xy))


def tiles_around(
    here: Around, width_um: float, low: float, high: float, pixels: int = PIXELS
) -> Generator[Progress, None, NDArray[np.uint8]]:
    """Small tiles, (n, pixels, pixels, 3); enlarged where the slide is coarser."""
    grid = centred_on(here.xy, here.seen.canvas, pixels, width_um / pixels, upsample=True)
    tiles = np.empty((len(grid), pixels, pixels, 3), dtype=np.uint8)
    done = 0
    reader = TileReader(here.seen.slide, grid, look=here.seen.look)
    for batch in reader.batches(BATCH, threads=here.threads):
        tiles[batch.index] = batch.pixels
        done += len(batch.pixels)
        yield at(low + (high - low) * done / len(grid), f"{done} of {len(grid)} tiles read")
    return tiles


def basic_settings(seen: Picture) -> dict[str, Any]:
    """How the default features are taken on this slide."""
    um = max(FINEST_UM, seen.scale.mean)
    return {"encoder": "basic", "um per pixel": um, "pixels": max(16, round(USUAL_UM / um)),
            "windows": list(SCALES)}  # fmt: skip


def basic_around(
    here: Around, settings: Mapping[str, Any], low: float, high: float, step: float = 0.0
) -> Generator[Progress, None, tuple[NDArray[np.float32], tuple[str, ...]]]:
    """The default features, (n, k); kept on disk, so that they are computed once.

    ``step`` (level-0 pixels): the places are a grid, whose wide windows are interpolated.
    """
    canvas, look = here.seen.canvas, here.seen.look
    pixels, um = int(settings["pixels"]), float(settings["um per pixel"])
    grid = centred_on(here.xy, canvas, pixels, um, upsample=True)
    parts: list[NDArray[np.float32]] = []
    columns: list[str] = []
    windows = [float(s) for s in settings["windows"]]
    for i, factor in enumerate(windows):
        width = pixels * um * factor / here.seen.scale.mean
        nodes = nodes_of(here.xy, step, width) if step else None
        around = grid
        if nodes is not None:
            around = centred_on(nodes.xy, canvas, pixels, um, upsample=True)
        if factor != 1:
            around = wider(around, canvas, factor)
        encode = basic_at(um, factor)
        steps = embed(Work(here.seen.slide, around, look, None, BATCH, here.threads), encode)
        while True:
            try:
                share = (i + next(steps)) / len(windows)
            except StopIteration as end:
                values = end.value.features
                parts.append(values if nodes is None else nodes.between(values))
                break
            yield at(low + (high - low) * share, f"features of {len(grid)} places")
        columns += encode.columns
    return np.concatenate(parts, axis=1), tuple(columns)


def quick_features(slides: Sequence[Slide], um_per_px: float) -> tuple[Slide, ...]:
    """The default features of the tiles that a network sees: what a ridge can make of them."""
    encode = BasicEncoder(um_per_px)
    out = []
    for slide in slides:
        assert slide.tiles is not None
        out.append(replace(slide, features=encode(slide.tiles)))
    return tuple(out)


def of_run(
    section: SectionInputs, rows: NDArray[np.intp], run: str
) -> tuple[NDArray[np.float32], tuple[str, ...], dict[str, Any]]:
    """Features of a stored Run at the spots, and how they were made."""
    values, columns = stored_features(section["features"], run)
    if len(values) != len(section.names):
        raise StmlError(
            "These features belong to tiles, not to the spots", where=run,
            do="run 'Features' without choosing tiles: it then takes one around every spot",
        )  # fmt: skip
    said = section["feature settings"]
    settings = read_settings(said) if isinstance(said, Table) else {}
    names = ("encoder", "identity", "pixels", "um per pixel", "stain")
    kept: dict[str, Any] = {k: settings[k] for k in names if k in settings}
    return values[rows], columns, {"run": run, **kept}


__all__ = [
    "PIXELS", "SETTINGS", "Around", "basic_around", "basic_settings", "of_run", "quick_features",
    "tiles_around",
]  # fmt: skip
