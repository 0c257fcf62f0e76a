"""A section, a selection or a Run into a file; the file's ending decides the format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.results import Labels, Matrix, Values
from napari_stml.io.take_out.flat import to_csv, to_parquet
from napari_stml.io.take_out.h5ad import ImageForSpots, TakenOut, to_h5ad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.section import Section

LONGEST_IMAGE_SIDE = 2000
PER_SPOT = frozenset({"Values", "Labels", "Matrix"})


def export(
    section: Section,
    target: Path | str,
    *,
    columns: Sequence[str] | None = None,
    runs: Sequence[str] | None = None,
    selection: ArrayLike | None = None,
    names: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> TakenOut:
    """Write a section for scanpy (.h5ad) or as a table (.csv, .parquet).

    Parameters
    ----------
    columns
        Columns and genes of a .csv or .parquet; all columns and no gene when None.
    runs
        Ids of Runs whose values come along; all when None. The values of a single Run keep
        their plain names, those of several get the Run's id in front.
    selection
        Mask, positions or names of observations; all when None.
    names
        Key names that another program expects, see `KeyNames`.
    """
    target = Path(target)
    if section.observations is None:
        raise CannotSaveError(
            "This section has no observations to export", where=section.name,
            do="export its regions or the view instead",
        )  # fmt: skip
    values, embeddings = run_values(section, runs)
    told = _nothing_of(section, runs or ()) if columns is None else ()
    scale = section.um_per_px.mean if section.um_per_px is not None else None
    ending = target.suffix.lower()
    if ending == ".h5ad":
        taken = to_h5ad(
            target, section.observations, section.tables, columns=values, embeddings=embeddings,
            selection=selection, library=section.name, image=small_image(section),
            um_per_px=scale, names=names, overwrite=overwrite,
        )  # fmt: skip
        return replace(taken, notes=(*taken.notes, *told))
    write = {".csv": to_csv, ".parquet": to_parquet}.get(ending)
    if write is None:
        raise CannotSaveError(
            f"No format is known for '{ending or target.name}'", where=target,
            do="let the name end in .h5ad, .csv or .parquet",
        )  # fmt: skip
    table = next(iter(section.tables.values()), None) if columns is None else None
    frame = values if columns is None else _chosen(section, columns)
    taken = write(
        target, section.observations, table, columns=frame, selection=selection, um_per_px=scale,
        overwrite=overwrite,
    )  # fmt: skip
    return replace(taken, notes=(*taken.notes, *told))


def run_values(
    section: Section, runs: Sequence[str] | None = None
) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
    """The values per observation of stored Runs: columns, and embeddings."""
    import pandas as pd

    assert section.observations is not None
    records = section.shelf.records if section.shelf is not None else {}
    unknown = sorted(set(runs or ()) - set(records))
    if unknown:
        raise CannotSaveError(f"There is no Run '{unknown[0]}'", where=section.name)
    chosen = list(records) if runs is None else list(runs)
    columns: dict[str, Any] = {}
    embeddings: dict[str, NDArray[Any]] = {}
    for run in chosen:
        for entry in records[run].parts:
            of_others = entry.section not in {section.name, ""}  # sections of the same store
            per_spot = entry.kind in PER_SPOT
            if of_others or not per_spot or section.shelf is None:
                continue
            part = section.shelf.part(run, entry.name)
            name = entry.name if len(chosen) == 1 else f"{run}.{entry.name}"
            if isinstance(part, Values):
                columns[name] = part.values
            elif isinstance(part, Labels):
                columns[name] = pd.Categorical.from_codes(
                    part.codes.tolist(), pd.Index(part.categories, dtype=object)
                )
            elif isinstance(part, Matrix) and not part.genes:
                embeddings[name] = np.asarray(part.values)
    return pd.DataFrame(columns, index=pd.Index(section.observations.names)), embeddings


def _nothing_of(section: Section, runs: Sequence[str]) -> tuple[str, ...]:
    """Say which of the Runs that were asked for have no value per observation, as tiles have."""
    records = section.shelf.records if section.shelf is not None else {}
    empty = [run for run in runs if not any(e.kind in PER_SPOT for e in records[run].parts)]
    if not empty:
        return ()
    return (f"nothing of {', '.join(empty)}: no value per observation (tiles, masks and genes "
            "are not in such a file)",)  # fmt: skip


def small_image(section: Section) -> ImageForSpots | None:
    """The reference image at 2,000 pixels a side at most, when it is in colour."""
    placed = next(iter(section.images.values()), None)
    if placed is None or not placed.slide.rgb:
        return None
    slide = placed.slide
    factor = max(1.0, max(slide.width, slide.height) / LONGEST_IMAGE_SIDE)
    fine = slide.level_for(factor)
    level = slide.levels[fine]
    pixels = slide.read(0, 0, fine, level.width, level.height)
    step = max(1, int(np.ceil(max(pixels.shape[:2]) / LONGEST_IMAGE_SIDE)))
    if step > 1:
        height, width = (side // step * step for side in pixels.shape[:2])
        blocks = pixels[:height, :width].reshape(height // step, step, width // step, step, 3)
        pixels = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return ImageForSpots(np.ascontiguousarray(pixels), 1.0 / (level.downsample_x * step))


def _chosen(section: Section, names: Sequence[str]) -> pd.DataFrame:
    """Columns, genes and values of Runs in the order asked for; an unknown one raises."""
    import pandas as pd

    assert section.observations is not None
    columns = {name: section.values(name) for name in dict.fromkeys(names)}
    return pd.DataFrame(columns, index=pd.Index(section.observations.names))
