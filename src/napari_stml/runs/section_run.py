"""The job behind every Run: open, resolve, compute, stage. The window publishes what it left."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_stml.core.analysis import live_of, problems
from napari_stml.core.colours import hex_of, palette
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Inputs
from napari_stml.core.params import applying
from napari_stml.core.results import SHARED, Labels, Result
from napari_stml.core.run_record import PartEntry, RunRecord, now, python_version, versions
from napari_stml.core.scope import Scope
from napari_stml.io.run_parts import read_part
from napari_stml.io.run_parts.write import Rows, write_members, write_parts
from napari_stml.io.section import Section
from napari_stml.io.shelf import Shelf
from napari_stml.io.store import Staging
from napari_stml.runs.analysis_job import find_analysis
from napari_stml.runs.inputs import Resolved, resolve_section
from napari_stml.runs.live_desk import OpenedLive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.results import Part
    from napari_stml.runs.job import Reference, Report, Spec

RUN = f"{__name__}:run"
LIVE = f"{__name__}:open_live"


class SectionSpec(BaseModel):
    """One section of a Run: where it lies, what is inside, where its results go."""

    model_config = ConfigDict(frozen=True)

    path: str | tuple[str, ...]
    choices: dict[str, Any] = {}
    um_per_px: tuple[float, float] | None = None
    scope_kind: str = "section"
    members: tuple[str, ...] | None = None
    polygons: tuple[str, ...] = ()
    scope_title: str = "whole section"
    store: str = ""
    staging: str = ""
    annotates: bool = False

    @property
    def scope(self) -> Scope:
        return Scope(
            self.scope_kind, self.members, tuple(bytes.fromhex(p) for p in self.polygons),  # type: ignore[arg-type]
            self.scope_title,
        )  # fmt: skip

    def open(self) -> Section:
        path = self.path if isinstance(self.path, str) else list(self.path)
        return Section.open(path, um_per_px=self.um_per_px, **self.choices)


class RunSpec(BaseModel):
    """Everything a Run is made of, as plain JSON."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    analysis: str
    title: str
    params: dict[str, Any] = {}
    live: dict[str, Any] = {}
    modules: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    sections: tuple[SectionSpec, ...]
    seed: int = 0
    threads: int = 1
    device: str = "cpu"


Staged = tuple[tuple[PartEntry, ...], dict[str, str]]
"""Entries of the parts, and by section the table that keeps who was inside."""


@dataclass(frozen=True)
class Opened:
    """A section with its resolved inputs, for as long as the Run computes."""

    section: Section
    spec: SectionSpec
    resolved: Resolved


def run(spec: Spec, report: Report) -> Reference:
    """Compute one Run and stage its elements; returns the records by store."""
    run = RunSpec.model_validate(spec)
    started, clock = now(), time.monotonic()
    analysis = find_analysis(run.analysis, run.modules)
    params = analysis.Params.model_validate(run.params)
    opened = [open_inputs(analysis.needs(params), s) for s in run.sections]
    try:
        inputs = inputs_of(run, opened)
        with threads(run.threads):
            known = _kept_from(run, opened)
            result = watch(analysis.run(inputs, params), report) if known is None else known
            if run.live:
                live = live_of(analysis, result, inputs, params)
                position = analysis.LiveParams.model_validate(run.live)
                said = applying(position, params.model_dump(mode="json"))
                result = kept_position(live.update(position, None), said)
        broken = problems(result, inputs)
        if broken:
            raise StmlError("The result breaks the contract", where=run.analysis, do=broken[0])
        records = stage(run, opened, result)
    finally:
        for each in opened:
            each.section.close()
    base = _base_record(run, opened, result)
    seconds = time.monotonic() - clock
    return {
        "records": [
            base.model_copy(
                update={
                    "parts": entries,
                    "members": members,
                    "started": started,
                    "seconds": seconds,
                }
            ).model_dump_json()
            for entries, members in records
        ]
    }


def threads(count: int) -> contextlib.AbstractContextManager[Any]:
    """Keep BLAS and OpenMP to the recorded number, wherever the Run computes: equal bits."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:  # comes with what analyses need; viewing needs none
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=count)
    return limits


def open_inputs(wanted: Mapping[str, Any], spec: SectionSpec) -> Opened:
    section = spec.open()
    shelf = shelf_of(section, spec)
    return Opened(section, spec, resolve_section(section, shelf, wanted, spec.scope))


def shelf_of(section: Section, spec: SectionSpec) -> Shelf | None:
    """The stored Runs as this section sees them: others of its store keep theirs."""
    if not spec.store:
        return None
    return Shelf(Path(spec.store), section.name, section.contents.choices.get("section", ()))


def inputs_of(run: RunSpec, opened: list[Opened]) -> Inputs:
    sections = tuple(o.resolved.inputs for o in opened)
    return Inputs(sections, seed=run.seed, threads=run.threads, device=run.device)


def kept_position(result: Result, position: Mapping[str, Any]) -> Result:
    """A live position as a Run of its own: only categories that occur, and a note that says so."""
    parts = {section: tuple(map(_occurring, own)) for section, own in result.parts.items()}
    said = ", ".join(f"{name} {_words(value)}" for name, value in position.items())
    return replace(result, parts=parts, notes=(*result.notes, f"kept from the live view at {said}"))


def _words(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " / ".join(map(_words, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _occurring(part: Part) -> Part:
    if not isinstance(part, Labels):
        return part
    used = np.unique(part.codes[part.codes >= 0])
    place = np.full(len(part.categories) + 1, -1, dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    own = part.colours
    if not own and len(used) < len(part.categories):  # those that were seen, of the palette
        own = tuple(hex_of(colour) for colour in palette(part.categories)[:-1])
    colours = tuple(own[i] for i in used) if own else ()
    return replace(
        part, codes=place[part.codes], categories=tuple(part.categories[i] for i in used),
        colours=colours,
    )  # fmt: skip


def watch(steps: Any, report: Report) -> Result:
    """Run the generator to its end; every progress is a place where a cancel takes effect."""
    with contextlib.closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            report(progress)


def open_live(spec: Spec) -> OpenedLive:
    """Open the live update of a stored Run: its inputs are read anew, its result from the store."""
    run = RunSpec.model_validate(spec)
    analysis = find_analysis(run.analysis, run.modules)
    params = analysis.Params.model_validate(run.params)
    opened = [open_inputs(analysis.needs(params), s) for s in run.sections]
    known = _kept_from(run, opened)
    if known is None:
        known = _stored(run.run_id, opened)
    live = live_of(analysis, known, inputs_of(run, opened), params)
    for each in opened:
        each.section.close()
    return OpenedLive(live, analysis.LiveParams)


def _kept_from(run: RunSpec, opened: list[Opened]) -> Result | None:
    """The stored result of the Run whose live view this one keeps a position of.

    None where it keeps none, or where that Run is gone or was made of something else: then it
    is computed anew.
    """
    for parent in run.parents if run.live else ():
        if all(_same(run, parent, each) for each in opened):
            return _stored(parent, opened)
    return None


def _same(run: RunSpec, parent: str, each: Opened) -> bool:
    """Whether ``parent`` is the Run without the position, from the same values of this section."""
    record = Shelf(Path(each.spec.store)).records.get(parent) if each.spec.store else None
    if record is None or record.live or record.state != "done":
        return False
    name = each.section.name
    own = {f"{name}/{k}": sign for k, sign in each.resolved.signatures.items()}
    return (
        (record.analysis, record.params, record.seed) == (run.analysis, run.params, run.seed)
        and record.scope == each.spec.scope.record()
        and {k: v for k, v in record.inputs.items() if k.startswith(f"{name}/")} == own
    )


def _stored(run_id: str, opened: list[Opened]) -> Result:
    parts: dict[str, tuple[Part, ...]] = {}
    for each in opened:
        shelf = shelf_of(each.section, each.spec)
        assert shelf is not None  # _same has read the record from it
        shared_known = SHARED in parts
        for entry in shelf.entries(run_id):
            if entry.section or not shared_known:
                part = read_part(shelf.store, entry)
                parts[entry.section] = (*parts.get(entry.section, ()), part)
    return Result(parts)


def stage(run: RunSpec, opened: list[Opened], result: Result) -> list[Staged]:
    """Write each section's parts into its own staging; shared ones go with the first section.

    Sections of one store share a staging, and their entries. What was inside goes with the values
    per observation, or into a table of its own, so that the Run can be repeated.
    """
    entries: dict[str, tuple[PartEntry, ...]] = {}
    members: dict[str, dict[str, str]] = {}
    folders = [each.spec.staging for each in opened]
    for i, each in enumerate(opened):
        folder = each.spec.staging
        staging = Staging(Path(folder), run.run_id)
        own = result.parts.get(each.section.name, ())
        shared = result.parts.get(SHARED, ()) if i == 0 else ()
        ahead = each.section.name if folders.count(folder) > 1 else ""
        rows = _rows(each)
        written = write_parts(staging, each.section.name, own, rows, ahead=ahead)
        table = _members_table(written)
        if rows is not None and rows.inside is not None:
            table = table or write_members(staging, each.section.name, rows, ahead=ahead)
            members.setdefault(folder, {})[each.section.name] = table
        written += write_parts(staging, SHARED, shared, None)
        staging.finish()
        entries[folder] = entries.get(folder, ()) + written
    return [(entries[folder], members.get(folder, {})) for folder in folders]


def _members_table(written: tuple[PartEntry, ...]) -> str:
    """The table of the values per observation; the first has the column of who was inside."""
    found = [e for e in written if e.kind in {"Values", "Labels", "Matrix", "Graph"}]
    first = [e for e in found if e.key != "X"] or found
    return first[0].element if first else ""


def _rows(each: Opened) -> Rows | None:
    observed = each.section.observations
    if observed is None:
        return None
    inside = each.resolved.inputs.inside
    region = observed.element if each.spec.annotates else None
    instances = observed.instances if region is not None else None
    whole = each.spec.scope_kind == "section" and bool(np.all(inside))
    return Rows(observed.names, region, instances, None if whole else inside)


def _base_record(run: RunSpec, opened: list[Opened], result: Result) -> RunRecord:
    parents = dict.fromkeys((*run.parents, *(p for o in opened for p in o.resolved.parents)))
    return RunRecord(
        id=run.run_id,
        analysis=run.analysis,
        title=run.title,
        params=run.params,
        live=run.live,
        seed=run.seed,
        threads=run.threads,
        device=run.device,
        scope=opened[0].spec.scope.record() if opened else {},
        sections=tuple(o.section.name for o in opened),
        inputs={
            f"{o.section.name}/{name}": sign
            for o in opened
            for name, sign in o.resolved.signatures.items()
        },
        parents=tuple(parents),
        shows=result.shows,
        notes=result.notes,
        started=now(),
        versions=versions(),
        python=python_version(),
    )
