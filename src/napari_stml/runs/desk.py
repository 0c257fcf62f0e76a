"""From a wish to a stored Run: plan it, let a worker compute it, publish what it left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_stml.core.analysis import registered
from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import ScaleSource
from napari_stml.core.run_record import RunRecord
from napari_stml.core.scope import Scope
from napari_stml.runs import section_run
from napari_stml.runs.job import run_in_line
from napari_stml.runs.scopes import scope_again
from napari_stml.runs.section_run import RunSpec, SectionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari_stml.core.params import LiveParams, Params
    from napari_stml.io.section import Section
    from napari_stml.io.store import Staging
    from napari_stml.runs.execution import Execution, Outcome
    from napari_stml.runs.job import OnProgress
    from napari_stml.runs.workers import Workers


@dataclass(frozen=True)
class Wish:
    """What the user asks for: an analysis with its parameters, on sections, in a scope.

    ``scopes`` follow ``sections``; an empty tuple means whole sections.
    """

    analysis: str
    params: Params
    sections: tuple[Section, ...]
    scopes: tuple[Scope, ...] = ()
    live: LiveParams | None = None
    title: str = ""
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    parents: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


@dataclass
class PlannedRun:
    """A wish with its id, its stagings and the spec that a worker executes."""

    wish: Wish
    spec: RunSpec
    stagings: tuple[Staging, ...]
    execution: Execution | None = field(default=None, compare=False)

    def publish(self, reference: Mapping[str, Any]) -> tuple[RunRecord, ...]:
        """Make what was staged part of the stores; on the thread that writes them."""
        records = []
        published: set[Path] = set()
        for section, staging, text in zip(
            self.wish.sections, self.stagings, reference["records"], strict=True
        ):
            if staging.folder not in published:  # sections of one store share theirs
                section.kept.store.publish(staging, text)
                published.add(staging.folder)
            section.forget_runs()
            records.append(RunRecord.model_validate_json(text))
        return tuple(records)

    def discard(self) -> None:
        """Remove what was staged; the Run did not come to its end."""
        for staging in self.stagings:
            staging.discard()


def plan(wish: Wish) -> PlannedRun:
    """Reserve the id and the folders; raises before anything is computed when it cannot be kept."""
    kind = analysis_class(wish.analysis)
    if not wish.sections:
        raise StmlError("No section is open", do="open one first")
    if kind.sections == "one" and len(wish.sections) > 1:
        raise StmlError(f"{kind.title} takes one section", do="run it on each section")
    for section in wish.sections[1:]:
        owner = next(s for s in wish.sections if s.path == section.path)
        section.keep_with(owner)
    stores = [section.kept.store for section in wish.sections]
    run_id = _free_id(wish.analysis, stores)
    staged = {store.path: store.stage(run_id) for store in dict.fromkeys(stores)}
    stagings = tuple(staged[store.path] for store in stores)
    scopes = wish.scopes or tuple(Scope() for _ in wish.sections)
    spec = RunSpec(
        run_id=run_id,
        analysis=wish.analysis,
        title=wish.title or kind.title,
        params=wish.params.model_dump(mode="json"),
        live=wish.live.model_dump(mode="json") if wish.live else {},
        parents=wish.parents,
        modules=wish.modules,
        seed=wish.seed,
        threads=wish.threads,
        device=wish.device,
        sections=tuple(
            _section_spec(section, scope, staging)
            for section, scope, staging in zip(wish.sections, scopes, stagings, strict=True)
        ),
    )
    return PlannedRun(wish, spec, stagings)


def submit(
    planned: PlannedRun,
    workers: Workers,
    *,
    on_progress: OnProgress | None = None,
    on_end: Callable[[PlannedRun, Outcome], None] | None = None,
) -> Execution:
    """Queue a planned Run; ``on_end`` comes from the workers' thread, publishing is up to it."""

    def ended(outcome: Outcome) -> None:
        if outcome.state != "done":
            planned.discard()
        if on_end is not None:
            on_end(planned, outcome)

    planned.execution = workers.submit(
        section_run.RUN,
        planned.spec.model_dump(mode="json"),
        title=planned.spec.title,
        gpu=planned.spec.device != "cpu",
        on_progress=on_progress,
        on_end=ended,
    )
    return planned.execution


def run_now(wish: Wish, on_progress: OnProgress | None = None) -> tuple[RunRecord, ...]:
    """Compute and keep a Run in this process: the command line, recipes, notebooks."""
    planned = plan(wish)
    try:
        reference = run_in_line(section_run.RUN, planned.spec.model_dump(mode="json"), on_progress)
    except BaseException:
        planned.discard()
        raise
    return planned.publish(reference)


def spec_of(record: RunRecord, section: Section) -> RunSpec:
    """The spec under which a stored Run of one section is opened again, for its live update."""
    scope = scope_again(section, record.id)
    return RunSpec(
        run_id=record.id,
        analysis=record.analysis,
        title=record.title,
        params=record.params,
        live=record.live,
        parents=record.parents,
        seed=record.seed,
        threads=record.threads,
        device=record.device,
        sections=(_section_spec(section, scope, None),),
    )


def analysis_class(name: str) -> Any:
    """The class of a registered analysis."""
    from napari_stml.analyses import load_all

    load_all()
    if name not in registered():
        known = ", ".join(sorted(registered()))
        raise StmlError(f"There is no analysis '{name}'", do=f"choose one of {known}")
    return registered()[name]


def analyses() -> Mapping[str, Any]:
    """All analyses by name."""
    from napari_stml.analyses import load_all

    load_all()
    return registered()


def _free_id(analysis: str, stores: Sequence[Any]) -> str:
    """An id that is new in every store."""
    numbers = [int(store.new_run_id(analysis).rpartition("-")[2]) for store in stores]
    stem = stores[0].new_run_id(analysis).rpartition("-")[0]
    return f"{stem}-{max(numbers)}"


def _section_spec(section: Section, scope: Scope, staging: Staging | None) -> SectionSpec:
    path = section.path
    scale = section.um_per_px
    kept = section.kept
    return SectionSpec(
        path=tuple(map(str, path)) if isinstance(path, tuple) else str(path),
        choices=dict(section.choices),
        um_per_px=(scale.x, scale.y) if scale and scale.source is ScaleSource.USER else None,
        scope_kind=scope.kind,
        members=scope.members,
        polygons=tuple(p.hex() for p in scope.polygons),
        scope_title=scope.title,
        store=str(kept.store.path),
        staging=str(staging.folder) if staging is not None else "",
        annotates=not kept.locally,
    )
