"""What a recipe takes out of a section, and whether a file is still what would be written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.run_record import versions
from napari_stml.io.take_out.section import export
from napari_stml.runs.recipe import FIGURES, FigureEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.figures.drawing import Drawing
    from napari_stml.io.section import Section
    from napari_stml.runs.recipe import Output, Recipe
    from napari_stml.runs.recipe_sections import SectionPlan

KEY = "exports"
"""The attribute of the store that remembers what was written."""


def target(recipe: Recipe, output: Output, plan: SectionPlan) -> Path:
    """The file of one section; paths count from the recipe's folder."""
    return Path(recipe.folder) / Path(output.file.replace("{section}", plan.label)).expanduser()


def check_targets(recipe: Recipe, plans: Sequence[SectionPlan]) -> None:
    """Refuse outputs that would be written over each other, before anything is computed."""
    seen: dict[Path, str] = {}
    for output in recipe.outputs:
        for plan in plans:
            file = target(recipe, output, plan)
            if file in seen:
                raise StmlError(
                    f"{seen[file]} and {plan.label} would both be written to one file",
                    where=output.file, do="put {section} into its name",
                )  # fmt: skip
            seen[file] = plan.label


def stands(section: Section, output: Output, runs: Sequence[str], file: Path) -> bool:
    """Whether the file is the one that was written for these very Runs and has not changed.

    Without Runs nothing says whether the section's own table is what it was: written anew.
    """
    if not runs or not file.exists() or section.shelf is None:
        return False
    attributes = json.loads((section.shelf.store / "zarr.json").read_text()).get("attributes", {})
    known = attributes.get("stml", {}).get(KEY, {}).get(str(file))
    return bool(known == _written(section, output, runs, file))


def write(section: Section, output: Output, runs: Sequence[str], file: Path) -> str:
    """Write the file whole, replacing an earlier one, and remember it; what is to be told."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ending = file.suffix.lower()
    notes: tuple[str, ...] = ()
    if ending in FIGURES:
        notes = _figure(section, output).save(file)
    elif ending == ".html":
        from napari_stml.figures.report import write_report
        from napari_stml.runs.report_words import in_words

        notes = write_report(section, file, in_words())
    elif ending == ".geojson":
        from napari_stml.io.regions import RegionKeeper
        from napari_stml.io.regions.exchange import write_geojson

        drawing = RegionKeeper(section).load()
        write_geojson(file, drawing.regions, drawing.classes, overwrite=True)
    else:
        notes = export(
            section, file, columns=output.columns, runs=list(runs), names=output.names or None,
            overwrite=True,
        ).notes  # fmt: skip
    if runs:
        store, said = section.kept.store, _written(section, output, runs, file)
        store.set_attr(KEY, {**store.attr(KEY, {}), str(file): said})
    return "; ".join((str(file), *notes))


def _figure(section: Section, output: Output) -> Drawing:
    from napari_stml.figures.asked import asked_figure
    from napari_stml.figures.tissue import Print

    asked = output.figure or FigureEntry()
    how = Print(
        width_mm=asked.width_mm or 120.0, dpi=asked.dpi, limits=asked.limits, region=asked.region,
        colour_map=asked.map, title=asked.title, opacity=asked.opacity, image=asked.image,
    )  # fmt: skip
    return asked_figure(
        (section,), asked.values, how, scales=asked.scales, columns=asked.columns,
        chart_mm=asked.width_mm,
    )  # fmt: skip


def _written(section: Section, output: Output, runs: Sequence[str], file: Path) -> dict[str, Any]:
    assert section.shelf is not None
    records = [section.shelf.records[run].model_dump_json() for run in runs]
    said = [output.model_dump_json(), section.name, *records, versions().get("napari-stml", "")]
    if output.file.lower().endswith((*FIGURES, ".html", ".geojson")):
        own = section.kept.store
        said += [json.dumps(own.attr(key), sort_keys=True) for key in ("styling", "regions")]
        said += [region.outline.hex() for region in section.shelf.regions()]
    stat = file.stat()
    digest = hashlib.blake2b("\n".join(said).encode(), digest_size=16).hexdigest()
    return {"of": digest, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
