"""What an analysis is, and the register of them all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np

from napari_stml.core.params import unknown_conditions
from napari_stml.core.progress import Progress
from napari_stml.core.results import Graph, Labels, Matrix, Part, Result, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.core.inputs import Inputs, SectionInputs
    from napari_stml.core.needs import Need
    from napari_stml.core.params import LiveParams, Params

Tab = Literal["look", "prepare", "slide", "predict", "niches", "spacon", "gwas", "regions"]
Steps = Generator[Progress, None, Result]


class Live(Protocol):
    """A finished Run that follows a slider."""

    def update(self, params: Any, selection: tuple[str, ...] | None) -> Result:
        """The result at these values: pure and cheap."""
        ...


class HasGrid(Protocol):
    """A `Live` that can be computed ahead."""

    def grid(self) -> tuple[LiveParams, ...]: ...


class HasReadout(Protocol):
    """A `Live` that says what the slider does in a number or two."""

    def readout(self, params: Any) -> Mapping[str, str]: ...


class Analysis(Protocol):
    """One analysis: its names, what it needs and what it computes.

    ``order`` is its place on the page (a small number comes first; 50 where it is not given);
    ``offered = False`` keeps it off the page, where something else in the window makes its Runs;
    ``corrected_by`` names the analysis that keeps what a brush changed on its mask;
    ``uses_gpu = True`` computes on the device that the user prefers.
    ``gives`` names all values per observation that it may leave, where they are known before;
    a recipe that refers to another one is then refused before it starts.
    ``foresee(params) -> Sequence[str]`` (static, quick) says before a Run what it will take for
    what; the form shows it, and what it raises.
    An analysis with a live part also has ``LiveParams`` and
    ``live(self, result: Result, inputs: Inputs, params: Params) -> Live``, where ``params`` are
    those of the finished Run; one that does not look at them may leave them out. Where "automatic"
    settles a question by the section, ``beside(params, on_array) -> Mapping`` (static, of plain
    values) says how, so that the live panel shows only what acts.
    """

    name: ClassVar[str]
    """The first half of a Run's id and the command-line name: ``[a-z][a-z0-9-]*``."""
    title: ClassVar[str]
    tab: ClassVar[Tab]
    Params: ClassVar[type[Params]]
    sections: ClassVar[Literal["one", "many"]]
    context: ClassVar[Literal["inside", "around"]]

    def needs(self, params: Any) -> Mapping[str, Need]: ...

    def run(self, inputs: Inputs, params: Any) -> Steps: ...


A = TypeVar("A", bound=type[Any])
_REGISTER: dict[str, type[Any]] = {}


def register(analysis: A) -> A:
    """Class decorator: from here on form, command line, recipe and docs page exist."""
    name = analysis.name
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise ValueError(f"an analysis is named [a-z][a-z0-9-]*, got {name!r}")
    known = _REGISTER.get(name)
    if known is not None and known.__qualname__ != analysis.__qualname__:
        raise ValueError(f"two analyses are named {name!r}: {known} and {analysis}")
    for problem in unknown_conditions(analysis.Params, getattr(analysis, "LiveParams", None)):
        raise ValueError(f"{name!r}: {problem}")
    _REGISTER[name] = analysis
    return analysis


def registered() -> Mapping[str, type[Any]]:
    """All analyses by name, in the order of their pages."""
    place = {name: (getattr(kind, "order", 50), name) for name, kind in _REGISTER.items()}
    return {name: _REGISTER[name] for name in sorted(_REGISTER, key=place.__getitem__)}


def live_of(analysis: Any, result: Result, inputs: Inputs, params: Params) -> Live:
    """Open the live part of a finished Run."""
    takes = len(inspect.signature(analysis.live).parameters)
    live: Live = analysis.live(*(result, inputs, params)[:takes])
    return live


def finish(steps: Steps) -> Result:
    """Run an analysis to its end, without watching it (tests, notebooks)."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def problems(result: Result, inputs: Inputs) -> list[str]:
    """What in a result breaks the contract: rows that do not fit, values outside the scope."""
    found: list[str] = []
    lengths = {s.section: s for s in inputs.sections}
    for section, parts in result.parts.items():
        if section and section not in lengths:
            found.append(f"a part names the section {section!r}, which was no input")
            continue
        names = [p.name for p in parts]
        found += [
            f"two parts are named {n!r}" for n in sorted({n for n in names if names.count(n) > 1})
        ]
        if section:
            for part in parts:
                found += _row_problems(part, lengths[section])
    return found


def _row_problems(part: Part, section: SectionInputs) -> list[str]:
    filled: NDArray[np.bool_]
    if isinstance(part, Labels):
        filled = part.codes >= 0
    elif isinstance(part, Values | Matrix) and isinstance(part.values, np.ndarray):
        values = part.values.reshape(part.values.shape[0], -1)
        filled = np.asarray(np.isfinite(values).any(axis=1), dtype=np.bool_)
    elif isinstance(part, Graph):
        filled = np.diff(part.matrix.indptr) > 0
    elif isinstance(part, Matrix):
        filled = np.diff(part.values.indptr) > 0  # type: ignore[union-attr]
    else:
        return []
    if len(filled) != len(section.names):
        return [f"{part.name!r} has {len(filled)} rows for {len(section.names)} observations"]
    if filled[~section.inside].any():
        return [f"{part.name!r} has values outside the scope; there they must be missing"]
    return []
