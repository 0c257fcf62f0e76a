"""One self-contained HTML page about a section: what it is, and every Run with its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.figures import report_runs
from napari_stml.figures.drawing import creator, write_whole
from napari_stml.figures.html import Markup, escaped, listed, picture, table, tag
from napari_stml.figures.lettering import number
from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.alignment import with_kept_alignment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section

WARNING = "Research use only. Not for diagnosis."
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MAP_MM, MAP_DPI = 120.0, 150
FEW = 40

CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; overflow-wrap: anywhere; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #ccc; }
h3 { margin: 1.4rem 0 .3rem; font-size: 1rem; }
.use { background: #fff3cd; border: 1px solid #d39e00; padding: .5rem .8rem; font-weight: 600; }
.small, figcaption { color: #555; font-size: .87rem; }
.state { background: #eee; border-radius: .3rem; padding: .1rem .5rem; font-size: .8rem; }
.lost { background: #f8d7da; }
table { border-collapse: collapse; margin: .4rem 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .15rem .9rem .15rem 0; }
tbody tr { border-top: 1px solid #e4e4e4; } th[scope=row] { font-weight: 500; color: #555;
  min-width: 9rem; overflow-wrap: normal; }
td.n { font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.charts figure { margin: 0; } summary { cursor: pointer; color: #555; }
code { font-size: .85rem; } @media print { body { max-width: none; margin: 0; } h2 {
  break-after: avoid; } figure { break-inside: avoid; }
  .charts { display: block; } }
"""


@dataclass(frozen=True)
class Words:
    """Who puts Runs into words; the plain record where nobody does.

    Attributes
    ----------
    describe
        The methods paragraph.
    parameters
        Names, values with unit, in the words of the form.
    """

    describe: Callable[[RunRecord], str] | None = None
    parameters: Callable[[RunRecord], list[tuple[str, str]]] | None = None


def write_report(
    section: Section, target: Path | str, words: Words | None = None,
    *, on_run: Callable[[str], None] | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """Write the page; gives notes on what could not be drawn. ``on_run`` hears each title."""
    place = Path(target)
    if place.suffix.lower() not in {".html", ".htm"}:
        raise StmlError("A report is a page", where=place, do="let its name end in .html")
    page, notes = report(section, words, on_run=on_run)
    write_whole(place, page.encode("utf-8"))
    return notes


def report(
    section: Section, words: Words | None = None, *, on_run: Callable[[str], None] | None = None
) -> tuple[str, tuple[str, ...]]:
    """Give the page as text: no script, no address outside of it, every name escaped."""
    section = with_kept_alignment(section)
    words = words or Words()
    notes: list[str] = []
    body = [
        tag("h1", section.name),
        tag("p", WARNING, class_="use"),
        tag("p", f"Made by {creator()}. {section.format}.", class_="small"),
        _overview(section, notes),
        tag("h2", "The section"),
        table(facts(section)),
    ]
    if section.notes:
        body += [tag("h3", "Notes"), listed(section.notes)]
    records = report_runs.records_of(section)
    body.append(tag("h2", "Runs"))
    body.append(_contents(records) if records else tag("p", "No Run is stored."))
    for record in records:
        if on_run is not None:
            on_run(record.title or record.id)
        body.append(report_runs.run_part(section, record, words, notes))
    body.append(report_runs.undone_part(section))
    return whole_page(f"{section.name}: report", body), tuple(notes)


def whole_page(title: str, body: Sequence[Markup]) -> str:
    """Lay out a page that loads nothing from anywhere and runs nothing."""
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        tag("title", title),
        Markup(f"<style>{CSS}</style>"),
    )
    foot = tag("p", f"{WARNING} {creator()}", class_="small")
    page = Markup(f'<html lang="en">{head}{tag("body", *body, foot)}</html>')
    return f"<!doctype html>\n{page}\n"


def facts(section: Section) -> list[tuple[str, str]]:
    """What the section is, as rows of a table. Slides are described by their pixels alone."""
    scale, guess = section.um_per_px, section.um_per_px_guess
    if scale is not None:
        both = number(scale.x) if scale.x == scale.y else f"{number(scale.x)} x {number(scale.y)}"
        rows = [("Micrometres per pixel", f"{both}, {scale.source.value}")]
    else:
        hint = f"; a guess: {number(guess.mean)}, {guess.source.value}" if guess else ""
        rows = [("Micrometres per pixel", f"unknown{hint}")]
    for name, placed in section.images.items():
        slide = placed.slide
        what = "colour" if slide.rgb else f"{len(slide.channels)} channels"
        size = f"{slide.width:,} x {slide.height:,} px, {len(slide.levels)} levels"
        if scale is not None:
            mm = (slide.width * scale.x / 1000, slide.height * scale.y / 1000)
            size += f", {mm[0]:.2f} x {mm[1]:.2f} mm" if placed.affine.is_identity else ""
        rows.append(("Image", f"{name}: {size}, {placed.role}, {what}"))
    if section.observations is not None:
        rows.append(("Observations", f"{len(section.observations):,} {section.observations.kind}"))
    for name, held in section.tables.items():
        count, variables = held.shape
        rows.append(("Table", f"{name}: {count:,} x {variables:,}; columns {_few(held.columns)}"))
    regions = section.shelf.regions() if section.shelf is not None else ()
    kinds = [r.kind or "no class" for r in regions]
    if kinds:
        each = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
        rows.append(("Drawn regions", each))
    if section.elements:
        rows.append(("Further elements", _few([f"{e.name} ({e.kind})" for e in section.elements])))
    rows += [("Choice", f"{k}: {v}") for k, v in section.contents.chosen.items()]
    return rows


def _overview(section: Section, notes: list[str]) -> Markup:
    try:
        drawing = tissue_figure(section, "", Print(width_mm=MAP_MM, dpi=MAP_DPI, title=""))
    except StmlError as error:
        notes.append(str(error))
        return tag("p", f"The section could not be drawn: {error}", class_="small")
    data, _ = drawing.encoded(".jpg")
    caption = "Scale bar: none, micrometres per pixel are unknown."
    bar = drawing.report.get("scale_bar")
    return tag(
        "figure",
        picture(data, "jpeg", f"The section {section.name}", width_mm=MAP_MM),
        tag("figcaption", caption) if isinstance(bar, str) else escaped(""),
    )


def _contents(records: list[RunRecord]) -> Markup:
    rows = [
        (r.id, r.title, r.scope.get("title", "whole section") or "", f"{r.started:%Y-%m-%d %H:%M}")
        for r in records
    ]
    return table(rows, ("Run", "Title", "Scope", "Started (UTC)"))


def _few(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")
