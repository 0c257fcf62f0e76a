"""A section in words: what `napari-stml info` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_stml.io.section import Section

FEW = 12


def describe(section: Section) -> str:
    """Images, observations, tables, further elements, scale with its source, choices, notes."""
    lines = [f"{section.name}  ({section.format})"]
    scale = section.um_per_px
    if scale is not None:
        lines.append(f"scale         {scale.mean:.4g} um per pixel, {scale.source.value}")
    else:
        guess = section.um_per_px_guess
        known = f"; a guess: {guess.mean:.4g}, {guess.source.value}" if guess else ""
        lines.append(f"scale         unknown{known} (give --um-per-px)")
    for name, placed in section.images.items():
        slide = placed.slide
        what = "RGB" if slide.rgb else f"{len(slide.channels)} channels: {_few(slide.channels)}"
        size = f"{slide.width} x {slide.height} px, {len(slide.levels)} levels"
        lines.append(f"image         {name}: {size}, {placed.role}, {what}")
    if section.observations is not None:
        lines.append(f"observations  {len(section.observations):,} {section.observations.kind}")
    for name, table in section.tables.items():
        rows, columns = table.shape
        lines.append(f"table         {name}: {rows:,} x {columns:,}")
        lines.append(f"              columns: {_few(table.columns)}")
        if table.obsm_keys:
            lines.append(f"              embeddings: {_few(table.obsm_keys)}")
    for element in section.elements:
        count = "" if element.count is None else f": {element.count:,}"
        lines.append(f"{element.kind:<13} {element.name}{count}")
    for name, answers in section.contents.choices.items():
        taken = section.contents.chosen.get(name, "")
        lines.append(f"choice        {name}={taken}  (of {_few(answers)})")
    lines += [f"note          {note}" for note in section.notes]
    return "\n".join(lines)


def _few(names: tuple[str, ...]) -> str:
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")
