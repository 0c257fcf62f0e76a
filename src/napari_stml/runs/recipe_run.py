"""Run a recipe: units of work in turn here, or side by side on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from napari_stml.core.errors import StmlError
from napari_stml.runs.parameters import did_you_mean, named_analysis
from napari_stml.runs.recipe_outputs import check_targets
from napari_stml.runs.recipe_sections import sections_of, units_of
from napari_stml.runs.recipe_work import Done, Event, Known, Task, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_stml.runs.recipe import Recipe, Step
    from napari_stml.runs.recipe_sections import SectionPlan

    Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Following:
    """How a recipe is followed; ``only`` names steps, which bring those that they need."""

    only: tuple[str, ...] = ()
    dry_run: bool = False
    force: bool = False
    keep_going: bool = False


@dataclass
class Report:
    """How every step of every section ended."""

    events: list[Event] = field(default_factory=list)
    known: Known = field(default_factory=dict)
    stopped: bool = False

    def count(self, state: str) -> int:
        return sum(event.state == state for event in self.events)

    @property
    def failed(self) -> bool:
        return self.count("failed") > 0


class Runner(Protocol):
    """Does tasks that do not touch each other's stores, in any order."""

    def each(self, tasks: Sequence[Task], tell: Tell) -> Iterator[Done]: ...


class Here:
    """One after the other in this process."""

    def each(self, tasks: Sequence[Task], tell: Tell) -> Iterator[Done]:
        for task in tasks:
            yield work(task, tell)


def follow(
    recipe: Recipe,
    how: Following | None = None,
    tell: Tell | None = None,
    runner: Runner | None = None,
) -> Report:
    """Follow a recipe to its end; failures stand in the report."""
    how, runner = how or Following(), runner or Here()
    plans = sections_of(recipe)
    check_targets(recipe, plans)
    report = Report()
    phases = phases_of(recipe, chosen_steps(recipe, how.only))
    for phase in phases:
        tasks = _tasks(recipe, plans, phase, how, report, last=phase is phases[-1])
        for done in runner.each(tasks, tell or _silent):
            report.events += done.events
            for label, runs in done.known.items():
                report.known.setdefault(label, {}).update(runs)
            if done.failed and not how.keep_going:
                report.stopped = True
                return report
    return report


@dataclass(frozen=True)
class Phase:
    """Steps that each section goes through by itself, or one step over all of them."""

    steps: tuple[str, ...]
    together: bool = False


def phases_of(recipe: Recipe, steps: Sequence[Step]) -> tuple[Phase, ...]:
    """An analysis over many sections waits for all of them; outputs come with the last phase."""
    phases: list[Phase] = []
    own: list[str] = []
    for step in steps:
        if named_analysis(step.analysis).sections == "many":
            if own:
                phases.append(Phase(tuple(own)))
            phases.append(Phase((step.label,), together=True))
            own = []
        else:
            own.append(step.label)
    if own or not phases or recipe.outputs:
        phases.append(Phase(tuple(own)))
    return tuple(phases)


def chosen_steps(recipe: Recipe, only: Sequence[str]) -> list[Step]:
    """The steps asked for and all that they build on; all steps without a choice."""
    if not only:
        return list(recipe.steps)
    labels = [step.label for step in recipe.steps]
    wanted: set[str] = set()
    todo = list(only)
    while todo:
        name = todo.pop()
        if name not in labels:
            raise StmlError(
                f"There is no step '{name}'", where="--only",
                do=did_you_mean(name, labels) or f"choose one of {', '.join(labels)}",
            )  # fmt: skip
        wanted.add(name)
        todo += [s for s in recipe.step(name).sources if s in labels and s not in wanted]
    return [step for step in recipe.steps if step.label in wanted]


def _tasks(
    recipe: Recipe,
    plans: Sequence[SectionPlan],
    phase: Phase,
    how: Following,
    report: Report,
    *,
    last: bool,
) -> list[Task]:
    groups = (tuple(plans),) if phase.together else units_of(plans)
    return [
        Task(
            recipe=recipe,
            sections=group,
            steps=phase.steps,
            together=phase.together,
            outputs=last and bool(recipe.outputs) and not how.only,
            known={p.label: report.known.get(p.label, {}) for p in group},
            dry_run=how.dry_run,
            force=how.force,
            keep_going=how.keep_going,
        )
        for group in groups
    ]


def _silent(_: Event) -> None:
    """Tell nobody."""
