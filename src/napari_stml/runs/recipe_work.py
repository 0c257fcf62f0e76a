"""The work of a recipe on the sections of one store: in this process, or in a task of a cluster."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from napari_stml.core.errors import StmlError
from napari_stml.runs import recipe_outputs
from napari_stml.runs.desk import Wish, run_now
from napari_stml.runs.parameters import load_modules
from napari_stml.runs.recipe import Recipe, ScopeEntry, Step
from napari_stml.runs.recipe_sections import SectionPlan, scope_of
from napari_stml.runs.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_stml.core.progress import Progress
    from napari_stml.core.scope import Scope
    from napari_stml.io.section import Section
    from napari_stml.runs.recipe import Output

    Tell = Callable[["Event"], None]

State = Literal["computed", "complete", "would run", "written", "failed", "left out"]
Known = dict[str, dict[str, str]]
"""Run ids by section and step; "" for a Run that would be computed (dry run)."""

_log = logging.getLogger(__name__)


class Event(BaseModel):
    """What is going on: a step began, came forward, or ended."""

    model_config = ConfigDict(frozen=True)

    section: str
    step: str
    state: Literal["began", "running", "retried"] | State
    fraction: float | None = None
    text: str = ""
    run_id: str = ""
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        return self.state not in ("began", "running", "retried")


class Task(BaseModel):
    """What one process does in one go: plain data, so that it can travel.

    ``together`` are the steps of one analysis that takes many sections; otherwise each section
    goes through all ``steps`` by itself.
    """

    model_config = ConfigDict(frozen=True)

    recipe: Recipe
    sections: tuple[SectionPlan, ...]
    steps: tuple[str, ...] = ()
    together: bool = False
    outputs: bool = False
    known: Known = {}
    dry_run: bool = False
    force: bool = False
    keep_going: bool = False


@dataclass
class Done:
    """How the steps of a task ended, and the Runs that now stand."""

    events: list[Event] = field(default_factory=list)
    known: Known = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(e.state == "failed" for e in self.events)


def work(task: Task, tell: Tell) -> Done:
    """Do a task; what fails is told and kept in the answer, never raised."""
    load_modules(task.recipe.modules)
    doing = _Doing(task, tell)
    if task.together:
        doing.together()
    else:
        for plan in task.sections:
            if doing.stopped:
                break
            doing.section(plan)
    return doing.done


class _Doing:
    def __init__(self, task: Task, tell: Tell) -> None:
        self.task, self.tell = task, tell
        self.done = Done(known={k: dict(v) for k, v in task.known.items()})
        self.stopped = False

    def section(self, plan: SectionPlan) -> None:
        """All steps and outputs of one section, in its store's lock."""
        steps = [self.task.recipe.step(label) for label in self.task.steps]
        before = len(self.done.events)
        try:
            with plan.opened() as section:
                for step in steps:
                    if not self.stopped:
                        self._step(step, (plan,), (section,), plan.label)
                failed = any(e.state == "failed" for e in self.done.events[before:])
                if self.task.outputs and not failed and not self.stopped:
                    self._outputs(plan, section)
        except Exception as error:  # noqa: BLE001 - told to the user, the details to the log
            self._failed(plan.label, "open", error)

    def together(self) -> None:
        """One analysis over all sections at once."""
        step = self.task.recipe.step(self.task.steps[0])
        label = f"{len(self.task.sections)} sections"
        try:
            with ExitStack() as stack:
                sections = tuple(stack.enter_context(p.opened()) for p in self.task.sections)
                self._step(step, self.task.sections, sections, label)
        except Exception as error:  # noqa: BLE001 - told to the user, the details to the log
            self._failed(label, step.label, error)

    def _step(
        self, step: Step, plans: Sequence[SectionPlan], sections: tuple[Section, ...], label: str
    ) -> None:
        missing = self._missing(step, plans)
        if missing:
            self._tell(label, step.label, "left out", text=f"without {', '.join(missing)}")
            return
        pending = any("" in self._used(step, plan) for plan in plans)
        if pending:  # only in a dry run
            self._would_run(step, plans, label)
            return
        clock = time.monotonic()
        try:
            wish = self._wish(step, plans, sections)
            stands = None if self.task.force else standing(wish)
            if stands is not None:
                self._keep(plans, step, stands.id)
                self._tell(label, step.label, "complete", run_id=stands.id)
            elif self.task.dry_run:
                self._would_run(step, plans, label)
            else:
                self._tell(label, step.label, "began")
                record = run_now(wish, lambda p: self._progress(label, step.label, p))[0]
                self._keep(plans, step, record.id)
                self._tell(
                    label, step.label, "computed", run_id=record.id,
                    text="; ".join(record.notes[:1]), seconds=time.monotonic() - clock,
                )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - told to the user, the details to the log
            self._failed(label, step.label, error)

    def _wish(
        self, step: Step, plans: Sequence[SectionPlan], sections: tuple[Section, ...]
    ) -> Wish:
        recipe = self.task.recipe
        ids = self.done.known.get(plans[0].label, {})
        filled = {name: _resolved(text, ids) for name, text in step.values_from.items()}
        return Wish(
            analysis=step.analysis,
            params=recipe.params(step, filled),
            sections=sections,
            scopes=tuple(
                self._scope(step, plan, section)
                for plan, section in zip(plans, sections, strict=True)
            ),
            live=recipe.live(step),
            title=step.title,
            seed=recipe.seed if step.seed is None else step.seed,
            threads=recipe.threads,
            device=recipe.device,
            parents=tuple(dict.fromkeys(self._used(step, plans[0]))),
            modules=recipe.modules,
        )

    def _scope(self, step: Step, plan: SectionPlan, section: Section) -> Scope:
        entry = plan.scope if step.scope is None else step.scope
        ids = self.done.known.get(plan.label, {})
        tests = tuple(_resolved(test, ids) for test in entry.filter)
        return scope_of(section, ScopeEntry.model_construct(regions=entry.regions, filter=tests))

    def _used(self, step: Step, plan: SectionPlan) -> list[str]:
        """Run ids of the earlier steps that a step uses."""
        ids = self.done.known.get(plan.label, {})
        return [ids[name] for name in step.sources if name in ids]

    def _missing(self, step: Step, plans: Sequence[SectionPlan]) -> list[str]:
        """Earlier steps that this one needs and that did not come to their end."""
        steps = {s.label for s in self.task.recipe.steps} & step.sources
        return sorted(
            name
            for name in steps
            if any(name not in self.done.known.get(plan.label, {}) for plan in plans)
        )

    def _outputs(self, plan: SectionPlan, section: Section) -> None:
        for output in self.task.recipe.outputs:
            target = recipe_outputs.target(self.task.recipe, output, plan)
            ids = self.done.known.get(plan.label, {})
            labels = self._read_by(output, ids)
            missing = [name for name in labels if name not in ids]
            if missing:
                text = f"without {', '.join(missing)}"
                self._tell(plan.label, target.name, "left out", text=text)
                continue
            runs = [ids[name] for name in labels]
            try:
                output = self._placed(output, ids)
                stands = all(runs) and recipe_outputs.stands(section, output, runs, target)
                if stands and not self.task.force:
                    self._tell(plan.label, target.name, "complete")
                elif self.task.dry_run:
                    self._tell(plan.label, target.name, "would run")
                else:
                    told = recipe_outputs.write(section, output, runs, target)
                    self._tell(plan.label, target.name, "written", text=told)
            except StmlError as error:
                self._failed(plan.label, target.name, error)

    def _read_by(self, output: Output, ids: Mapping[str, str]) -> list[str]:
        """The steps that an output is made of: those it names, else a figure's, else all."""
        if output.steps is not None:
            return list(output.steps)
        if output.figure is None:
            return list(ids)
        steps = {step.label for step in self.task.recipe.steps}
        named = (value.partition("/")[0] for value in output.figure.values if "/" in value)
        return [name for name in dict.fromkeys(named) if name in steps]

    def _placed(self, output: Output, ids: Mapping[str, str]) -> Output:
        """Columns and values named after steps become those of their Runs."""
        if output.figure is not None:
            values = tuple(_resolved(name, ids) for name in output.figure.values)
            figure = output.figure.model_copy(update={"values": values})
            return output.model_copy(update={"figure": figure})
        if output.columns is None:
            return output
        columns = tuple(_resolved(name, ids) for name in output.columns)
        return output.model_copy(update={"columns": columns})

    def _would_run(self, step: Step, plans: Sequence[SectionPlan], label: str) -> None:
        self._keep(plans, step, "")
        self._tell(label, step.label, "would run")

    def _keep(self, plans: Sequence[SectionPlan], step: Step, run_id: str) -> None:
        for plan in plans:
            self.done.known.setdefault(plan.label, {})[step.label] = run_id

    def _progress(self, label: str, step: str, progress: Progress) -> None:
        self.tell(
            Event(section=label, step=step, state="running", fraction=progress.fraction,
                  text=progress.text)
        )  # fmt: skip

    def _tell(self, label: str, step: str, state: State | Literal["began"], **more: Any) -> None:
        event = Event(section=label, step=step, state=state, **more)
        if event.ended:
            self.done.events.append(event)
        self.tell(event)

    def _failed(self, label: str, step: str, error: Exception) -> None:
        if not isinstance(error, StmlError):
            _log.error("%s, %s", label, step, exc_info=error)
        words = str(error) if isinstance(error, StmlError) else f"{type(error).__name__}: {error}"
        self._tell(label, step, "failed", text=words)
        self.stopped = not self.task.keep_going


def _resolved(text: str, ids: Mapping[str, str]) -> str:
    """``step/value`` with the step's Run id; anything else as it is."""
    name, slash, rest = text.partition("/")
    return f"{ids[name]}{slash}{rest}" if name in ids else text
