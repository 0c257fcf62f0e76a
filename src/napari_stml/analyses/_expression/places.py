"""Where a model predicts, and what it needs to see there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._expression.seen import (
    basic_around,
    of_run,
    quick_features,
    tiles_around,
)
from napari_stml.analyses._slides.features import with_tissue
from napari_stml.core.errors import StmlError
from napari_stml.methods.expression_models.lattice import in_steps
from napari_stml.methods.expression_models.samples import Slide
from napari_stml.slide import grid as grids

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._expression.seen import Around
    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.core.progress import Progress
    from napari_stml.methods.expression_models.scores import Scores
    from napari_stml.methods.expression_models.stored import Trained
    from napari_stml.slide.grid import TileGrid


def looked_at(
    here: Around, card: Mapping[str, Any], *, spots: Inside | None, run: str, low: float,
    high: float, step: float = 0.0,
) -> Generator[Progress, None, Slide]:  # fmt: skip
    """Tiles or features of these places, taken as in training.

    ``step`` (level-0 pixels) where they are a grid.
    """
    looks = card.get("looks", {})
    pitch_um = float(card.get("pitch um") or here.pitch_px() * here.seen.scale.mean)
    xy = in_steps(here.xy * here.seen.scale.mean, pitch_um)
    name = here.section.section
    if "tiles" in looks:
        said = looks["tiles"]
        tiles = yield from tiles_around(here, float(said["um"]), low, high, int(said["pixels"]))
        slide = Slide(name, xy, tiles=tiles)
        um = float(said["um"]) / int(said["pixels"])
        return quick_features([slide], um)[0] if "start" in card else slide
    said = looks.get("features", {})
    if run and spots is not None:
        values, _, made = of_run(spots.section, spots.rows, run)
        if said.get("encoder") and made.get("encoder") != said["encoder"]:
            raise StmlError(
                f"This model was trained on features of '{said['encoder']}', and these are of "
                f"'{made.get('encoder', 'unknown')}'", where=run,
                do="compute 'Features' with the encoder that the model names",
            )  # fmt: skip
        return Slide(name, xy, features=values)
    if said.get("encoder") != "basic" or "windows" not in said:
        raise StmlError(
            f"This model needs features of '{said.get('encoder', 'its encoder')}'", where=name,
            do="run 'Features' with the settings of its card and choose that Run",
        )  # fmt: skip
    values, _ = yield from basic_around(here, said, low, high, step)
    return Slide(name, xy, features=values)


def dense(section: SectionInputs, seen: Picture, step_um: float) -> TileGrid:
    """Squares of ``step_um`` on tissue, inside the scope's regions or about its spots."""
    pixels = max(1, round(step_um / seen.scale.mean))
    grid = grids.grid_over(seen.canvas, pixels, step_um / pixels, upsample=True)
    keep = np.ones(len(grid), dtype=bool)
    if section.scope.polygons:
        keep = grids.touching(grid, section.scope.polygons, seen.affine)
    elif section.scope.members is not None and len(section.names):
        from scipy.spatial import cKDTree

        from napari_stml.methods.expression_models.lattice import pitch_of

        xy = seen.on_slide(section.xy)
        distance, _ = cKDTree(xy[section.inside]).query(grid.centres)
        keep = distance <= 0.75 * pitch_of(xy)
    else:
        keep = with_tissue(grid, seen).share >= 0.5
    if not keep.any():
        raise StmlError(
            "No place of the grid lies on tissue or in the scope", where=section.section,
            do="choose a finer step or a wider scope",
        )  # fmt: skip
    return grid.only(keep)


def tile_grid(here: Around, card: Mapping[str, Any]) -> TileGrid:
    """The tiles that the model saw around these places."""
    said = card["looks"]["tiles"]
    pixels = int(said["pixels"])
    um = float(said["um"]) / pixels
    return grids.centred_on(here.xy, here.seen.canvas, pixels, um, upsample=True)


def measured(
    spots: Inside, trained: Trained, found: NDArray[Any], xy: NDArray[Any]
) -> tuple[NDArray[np.float32], Scores, tuple[str, ...]]:
    """Values of the model's genes in this table (NaN where it lacks one), scores, missing genes."""
    from napari_stml.methods.expression_models.gene_choice import named
    from napari_stml.methods.expression_models.scores import Scores, scored
    from napari_stml.methods.expression_models.targets import log_values, smoothed

    counts, genes = spots.expression("counts", counts=True)
    columns, lacking = named(trained.genes, genes, "this model's genes")
    if trained.card.get("unit") == "counts":
        values = np.asarray(counts[:, columns].toarray(), dtype=np.float32)
    else:
        values = log_values(counts, columns)
        if trained.card.get("smoothed"):
            values = smoothed(values, xy)
    known = np.asarray([g not in set(lacking) for g in trained.genes])
    everywhere = np.full(found.shape, np.nan, dtype=np.float32)
    everywhere[:, known] = values
    own = scored([found[:, known]], [values], [np.ones(len(found), dtype=bool)])
    wide = [np.full(len(known), np.nan) for _ in range(3)]
    for whole, part in zip(wide, (own.r, own.mse, own.variance), strict=True):
        whole[known] = part
    return everywhere, Scores(*wide), lacking
