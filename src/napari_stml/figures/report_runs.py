"""The part of the report about each Run."""

from __future__ import annotations

import json
from numbers import Integral
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.results import Table
from napari_stml.core.run_record import RunRecord
from napari_stml.figures.charts import stored_chart
from napari_stml.figures.html import Markup, escaped, listed, picture, table, tag
from napari_stml.figures.lettering import MM_PER_INCH, number
from napari_stml.figures.overlays import OVERLAYS
from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.store.layout import Layout, elements_in

if TYPE_CHECKING:
    from napari_stml.core.run_record import PartEntry
    from napari_stml.figures.report import Words
    from napari_stml.io.section import Section

MAP_MM, MAP_DPI = 120.0, 150
MOST_ROWS = 15
ON_TISSUE = ("Labels", "Values", *(kind.__name__ for kind in OVERLAYS))


def records_of(section: Section) -> list[RunRecord]:
    """Runs of this section, oldest first."""
    records = section.shelf.records.values() if section.shelf is not None else ()
    return [r for r in records if not r.sections or section.name in r.sections]


def run_part(section: Section, record: RunRecord, words: Words, notes: list[str]) -> Markup:
    """Everything about one Run; what cannot be drawn is said in its place."""
    lost = lost_elements(section, record)
    state = [] if record.state == "done" else [record.state]
    flags = [tag("span", s, class_="state") for s in state]
    if lost:
        flags.append(tag("span", "lost", class_="state lost"))
    title = tag("h2", f"{record.id}: {record.title or record.analysis} ", *flags, id=record.id)
    said = [title]
    if words.describe is not None:
        said.append(tag("p", words.describe(record)))
    if record.error:
        said.append(tag("p", f"It ended with an error: {record.error}"))
    if lost:
        gone = ", ".join(lost)
        said.append(tag("p", f"Another program took these values away: {gone}. Repeat the Run."))
    said.append(_map(section, record, notes))
    said += _charts(section, record, notes)
    said += _tables(section, record, notes)
    if record.notes:
        said += [tag("h3", "Notes"), listed(record.notes)]
    parameters = words.parameters(record) if words.parameters is not None else plain_rows(record)
    if parameters:
        said += [tag("h3", "Parameters"), table(parameters)]
    said += [tag("h3", "Conditions"), table(conditions(record))]
    said.append(_details("Values it left", [_left(e) for e in record.parts], ("Name", "Kind")))
    said.append(_details("Signatures of its inputs", list(record.inputs.items()),
                         ("Input", "Content hash")))  # fmt: skip
    said.append(_details("Versions", [("Python", record.python), *record.versions.items()],
                         ("Program", "Version")))  # fmt: skip
    return tag("section", *said)


def conditions(record: RunRecord) -> list[tuple[str, str]]:
    scope = record.scope or {}
    members = scope.get("members")
    counted = f", {members:,} observations" if isinstance(members, int) else ""
    rows = [
        ("Scope", f"{scope.get('title') or 'whole section'}{counted}"),
        ("Sections", ", ".join(record.sections)),
        ("Seed", str(record.seed)),
        ("Threads", str(record.threads)),
        ("Device", record.device),
        ("Started", f"{record.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("Took", f"{record.seconds:.1f} s"),
    ]
    if record.parents:
        rows.append(("Used", ", ".join(record.parents)))
    rows += [(f"Live: {k}", _word(v)) for k, v in record.live.items()]
    return [(name, text) for name, text in rows if text]


def plain_rows(record: RunRecord) -> list[tuple[str, str]]:
    return [(name, _word(value)) for name, value in record.params.items()]


def lost_elements(section: Section, record: RunRecord) -> tuple[str, ...]:
    """Elements that the record names and the store no longer has."""
    if section.shelf is None:
        return ()
    there = {path.partition("/")[2] for path in elements_in(section.shelf.store)}
    named = dict.fromkeys(e.element for e in record.parts if e.element)
    return tuple(name for name in named if name not in there)


def undone_part(section: Section) -> Markup:
    """Runs that were undone and can be brought back."""
    if section.shelf is None:
        return Markup("")
    layout = Layout(section.shelf.store)
    rows = []
    for run in layout.undone_runs():
        record = _undone(layout, run)
        title = record.title if record is not None else ""
        if record is None or not record.sections or section.name in record.sections:
            rows.append((run, title))
    if not rows:
        return Markup("")
    return tag(
        "section",
        tag("h2", "Undone"),
        tag("p", "These Runs were taken back. Their values are kept apart and can be restored."),
        table(rows, ("Run", "Title")),
    )


def _undone(layout: Layout, run: str) -> RunRecord | None:
    try:
        stored: Any = json.loads((layout.undone(run) / "record.json").read_text())
        inner = stored.get("record", stored)
        text = inner if isinstance(inner, str) else json.dumps(inner)
        return RunRecord.model_validate_json(text)
    except (OSError, ValueError):
        return None


def _map(section: Section, record: RunRecord, notes: list[str]) -> Markup:
    """The value that the Run shows, where it lies on the tissue."""
    shelf = section.shelf
    assert shelf is not None
    kinds = {entry.name: entry.kind for entry in shelf.entries(record.id)}
    if kinds.get(record.shows) not in ON_TISSUE:
        return Markup("")
    how = Print(width_mm=MAP_MM, dpi=MAP_DPI, title="")
    name = f"{record.id}/{record.shows}"
    try:
        drawing = tissue_figure(section, name, how)
        data, _ = drawing.encoded(".jpg")
    except StmlError as error:
        return _not_drawn(name, error, notes)
    return tag(
        "figure", picture(data, "jpeg", f"Map of {name}", width_mm=MAP_MM),
        tag("figcaption", f"{record.shows} on {section.name}{_colours(drawing.report)}"),
    )  # fmt: skip


def _colours(report: Any) -> str:
    value = report.get("value", {})
    if "limits" not in value:
        return ""
    low, high = (number(v) for v in value["limits"])
    return f"; colours ({value['colour_map']}) from {low} to {high}"


def _charts(section: Section, record: RunRecord, notes: list[str]) -> list[Markup]:
    drawn = []
    for entry in _own(section, record, "Chart"):
        name = f"{record.id}/{entry.name}"
        try:
            drawing = stored_chart(section, name, dpi=MAP_DPI)
            width = float(drawing.figure.get_figwidth()) * MM_PER_INCH
            data, _ = drawing.encoded(".svg")
        except (StmlError, KeyError, TypeError, ValueError) as error:
            drawn.append(_not_drawn(name, error, notes))
            continue
        drawn.append(tag("figure", picture(data, "svg+xml", drawing.title, width_mm=width)))
    return [tag("h3", "Charts"), tag("div", *drawn, class_="charts")] if drawn else []


def _tables(section: Section, record: RunRecord, notes: list[str]) -> list[Markup]:
    said: list[Markup] = []
    for entry in _own(section, record, "Table"):
        assert section.shelf is not None
        try:
            part = section.shelf.part(record.id, entry.name)
        except StmlError as error:
            said.append(_not_drawn(f"{record.id}/{entry.name}", error, notes))
            continue
        assert isinstance(part, Table)
        names = tuple(part.columns)
        every = list(zip(*part.columns.values(), strict=False))
        rows = [tuple(_word(v) for v in row) for row in every[:MOST_ROWS]]
        more = f" (the first {MOST_ROWS} of {len(every):,} rows)" if len(every) > len(rows) else ""
        if names:
            said += [tag("h3", f"{part.name}{more}"), table(rows, names)]
    return said


def _own(section: Section, record: RunRecord, kind: str) -> list[PartEntry]:
    shelf = section.shelf
    return [e for e in shelf.entries(record.id) if e.kind == kind] if shelf is not None else []


def _left(entry: PartEntry) -> tuple[str, str]:
    return entry.name, entry.kind


def _details(title: str, rows: list[tuple[str, str]], head: tuple[str, ...]) -> Markup:
    if not rows:
        return escaped("")
    return tag("details", tag("summary", title), table(rows, head))


def _not_drawn(name: str, error: Exception, notes: list[str]) -> Markup:
    notes.append(f"{name} was not drawn: {error}")
    return tag("p", f"{name} could not be drawn: {error}", class_="small")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    try:
        return str(value) if isinstance(value, str | Integral) else number(float(value))
    except (TypeError, ValueError):
        return json.dumps(value, default=str)
