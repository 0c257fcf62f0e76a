"""Features of tiles or of the surroundings of spots: computed, taken from weights, or read.

The default needs no weights: dye, texture and nuclei as plain numbers (`slide.encoders.basic`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._shared.progress import at
from napari_stml.analyses._slides.encoder_params import (
    EncoderParams,
    encoder_needs,
    encoder_of,
    encoder_picture,
)
from napari_stml.analyses._slides.features import (
    FEATURES,
    MOST_COLUMNS,
    Found,
    components,
    parts_of,
    read_in,
    tiles_for,
)
from napari_stml.analyses._slides.slide import settings_table
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import File
from napari_stml.core.params import param
from napari_stml.core.results import Result
from napari_stml.slide.context import basic_at, wider
from napari_stml.slide.embedding import Work, embed, pooled_pixels
from napari_stml.slide.encoders.patches import PatchEncoder, by_patch
from napari_stml.slide.feature_file import write_features
from napari_stml.slide.stain import fit

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need
    from napari_stml.core.progress import Progress
    from napari_stml.slide.grid import TileGrid
    from napari_stml.slide.stain import Stain

__all__ = ["FEATURES", "Features", "FeaturesParams"]

BASIC = "basic"


class FeaturesParams(EncoderParams):
    encoder: str = param(
        BASIC, title="Encoder", min_length=1,
        help="'basic' needs no weights; else a preset (uni, virchow2, phikon, hibou-b, ...) or any "
        "model name of timm, with its weights.",
    )  # fmt: skip
    output: Literal["default", "class", "mean", "class and mean", "patches"] = param(
        "default", title="Output", rare=True,
        help="Of a transformer: its class token, the mean of its patches, both, or every patch as "
        "a place of its own; the default is what the encoder's authors advise.",
    )  # fmt: skip
    surroundings: tuple[float, ...] = param(
        (1.0, 2.0, 4.0), title="Window widths", rare=True, min_length=1, max_length=6,
        help="For 'basic': the tile itself (1) and windows so many times as wide, side by side.",
    )  # fmt: skip
    stain: Literal["none", "macenko", "reinhard"] = param(
        "none", title="Stain normalisation",
        help="Fitted once on this slide. Most encoders were trained without.",
    )  # fmt: skip
    read: str = param(
        "", title="Read features", source="file", rare=True,
        help="An .h5 file with 'coords' and 'features' of this slide, instead of computing them.",
    )  # fmt: skip
    write: str = param(
        "", title="Write features", rare=True,
        help="Name of an .h5 file to write coordinates and features to, too.",
    )  # fmt: skip


@register
class Features:
    """Numbers that describe how each place looks; what later models start from."""

    name = "features"
    title = "Features"
    tab = "slide"
    order = 30
    sections = "one"
    context = "inside"
    uses_gpu = True
    Params = FeaturesParams

    def needs(self, params: FeaturesParams) -> Mapping[str, Need]:
        wanted = encoder_needs(params)
        if params.control:
            wanted.pop("weights", None)
        if params.read:
            wanted["file"] = File(params.read)
        return wanted

    def run(self, inputs: Inputs, params: FeaturesParams) -> Steps:
        section = inputs.one
        target = Path(params.write).expanduser()
        if params.write and not target.parent.is_dir():  # known before hours of computing
            raise StmlError("There is no such folder to write features to", where=target.parent,
                            do="make it, or choose another")  # fmt: skip
        yield at(0, "reading the slide")
        seen = encoder_picture(section, params)
        if params.read:
            found = read_in(section, seen, Path(section["file"]))
        else:
            pixels, um = expected(params.encoder)
            um = max(um, seen.scale.mean) if um else 0.0
            grid, row = tiles_for(section, seen, params.tiles, pixels=pixels, um_per_px=um)
            yield at(2, f"{len(grid)} tiles")
            found = yield from _computed(inputs, params, seen, grid, row)
            if params.write:
                write_features(
                    target, grid.xy, found.values, side=grid.side,
                    encoder=params.encoder, um_per_px=grid.um_per_px, pixels=grid.pixels,
                )  # fmt: skip
        yield at(97, "main directions")
        directions, chart = components(found)
        said = settings_table(**found.said)
        parts = parts_of(section, seen, found, directions)
        return Result.of(
            section.section, *parts, said, chart, shows=parts[0].name,
            notes=(*seen.notes, *found.notes),
        )  # fmt: skip


def _computed(
    inputs: Inputs, params: FeaturesParams, seen: Picture, grid: TileGrid, row: Any
) -> Generator[Progress, None, Found]:
    work = Work(seen.slide, grid, seen.look, None, params.batch, max(1, inputs.threads))
    notes: list[str] = []
    stain: Stain | None = None
    if params.stain != "none":
        yield at(3, "fitting the stain")
        stain = fit(pooled_pixels(work, inputs.seed), params.stain)
        notes.append(
            f"stain normalised ({params.stain})" if stain is not None else
            f"{params.stain} found no two dyes on this slide: nothing was normalised"
        )  # fmt: skip
    encoders, release, told = _encoders(params, inputs, grid)
    notes += told
    columns: list[str] = []
    values = []
    unchanged = reused = 0
    try:
        for i, (encode, factor) in enumerate(encoders):
            tiles = grid if factor == 1 else wider(grid, seen.canvas, factor)
            part = Work(seen.slide, tiles, seen.look, stain, params.batch, work.threads)
            steps = embed(part, encode)
            low, high = 5 + 90 * i / len(encoders), 5 + 90 * (i + 1) / len(encoders)
            while True:
                try:
                    fraction = next(steps)
                except StopIteration as end:
                    done = end.value
                    break
                yield at(low + (high - low) * fraction, f"{len(grid)} tiles, {params.encoder}")
            values.append(done.features)
            columns += encode.columns
            unchanged += done.unchanged
            reused += len(grid) - done.computed
    finally:
        release()
    if unchanged:
        notes.append(f"{unchanged} tiles could not be normalised and were left as they are")
    if reused:
        of = len(grid) * len(encoders)
        notes.append(f"{reused} of {of} windows were taken from an earlier, equal computation")
    features = np.concatenate(values, axis=1)
    patches = encoders[0][0]
    if isinstance(patches, PatchEncoder):
        grid, features = by_patch(grid, features, patches.side)
        row, columns = np.full(len(grid), -1, dtype=np.int64), list(patches.names)
    over = int((grid.outside > 0).sum())
    if over:
        notes.append(f"{over} tiles reach over the edge of the slide; there they are white")
    notes.append(f"{features.shape[1]} features of {len(grid)} tiles, {params.encoder}, "
                 f"{grid.pixels} px at {grid.um_per_px:.3g} um per pixel")  # fmt: skip
    said = {
        "pixels": grid.pixels, "um per pixel": repr(grid.um_per_px), "slide": seen.slide.key,
        "encoder": params.encoder, "stain": params.stain,
        "identity": "; ".join(e.identity for e, _ in encoders),
    }  # fmt: skip
    return Found(grid, row, features, tuple(columns), tuple(notes), said)


def _encoders(params: FeaturesParams, inputs: Inputs, grid: TileGrid) -> Any:
    """The encoders with their window widths, how to let them go, and what to say of them."""
    if params.encoder == BASIC:
        scales = tuple(dict.fromkeys(params.surroundings))
        if not all(np.isfinite(s) and 0 < s <= 64 for s in scales):
            raise StmlError("Window widths are between 0 and 64", where=str(params.surroundings))
        if len(basic_at(1.0, 1.0).columns) * len(scales) > MOST_COLUMNS:
            raise StmlError("Too many window widths", do="give fewer")
        told = ["'basic' features are measured, not learned: dye, texture, nuclei"]
        return [(basic_at(grid.um_per_px, s), s) for s in scales], lambda: None, told
    by_patches = params.output == "patches"
    encoder = encoder_of(
        params, output="default" if by_patches else params.output, device=inputs.device,
        seed=inputs.seed, drawn=params.control,
    )  # fmt: skip
    preset = encoder.preset
    told = [f"{preset.name} on {encoder.device}, {'patches' if by_patches else encoder.output}"]
    if params.control:
        told.append("RANDOM weights: a control; these features say nothing of the tissue")
    told += [
        note for note in (preset.licence and f"licence: {preset.licence}", preset.note) if note
    ]
    if by_patches:
        patches = PatchEncoder(encoder)
        patches.check(len(grid))
        return [(patches, 1.0)], encoder.release, told
    return [(encoder, 1.0)], encoder.release, told


def expected(encoder: str) -> tuple[int, float]:
    """Pixels and um per pixel that an encoder takes its tiles at; 0 where any will do."""
    if encoder == BASIC:
        return 0, 0.0
    from napari_stml.slide.encoders.network import preset_of

    preset = preset_of(encoder)
    return preset.pixels, preset.um_per_px
