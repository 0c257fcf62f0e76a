"""Analyses for recipes: one over many sections, one that dies once, one that holds still."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.needs import Column
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Result, Table, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_stml.core.analysis import Steps
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need


class ToSection(Params):
    column: str = param("level", title="Column", help="Which numbers.", source="column")


@register
class Pooled:
    """The numbers of all sections on one scale."""

    name = "toy-pooled"
    title = "Pooled"
    tab = "prepare"
    sections = "many"
    context = "inside"
    Params = ToSection

    def needs(self, params: ToSection) -> Mapping[str, Need]:
        return {"values": Column(params.column)}

    def run(self, inputs: Inputs, params: ToSection) -> Steps:
        yield Progress(0, 1, "pooling")
        pooled = np.concatenate([s["values"][s.inside] for s in inputs.sections])
        parts: dict[str, tuple[Any, ...]] = {
            s.section: (Values("pooled", np.where(s.inside, s["values"] - pooled.mean(), np.nan)),)
            for s in inputs.sections
        }
        parts[""] = (Table("means", {"mean": (float(pooled.mean()),)}),)
        return Result(parts, shows="pooled")


class MortalParams(Params):
    mark: str = param(title="Mark", help="A file; while it lies there the worker lives.")


@register
class Mortal:
    """Kills its own process, once."""

    name = "toy-mortal"
    title = "Mortal"
    tab = "prepare"
    sections = "one"
    context = "inside"
    Params = MortalParams

    def needs(self, params: MortalParams) -> Mapping[str, Need]:
        return {}

    def run(self, inputs: Inputs, params: MortalParams) -> Steps:
        yield Progress(0, 2, "living")
        mark = Path(params.mark)
        if inputs.one.section == "b" and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        yield Progress(1, 2, "living on")
        values = np.arange(len(inputs.one.names), dtype=float)
        return Result.of(inputs.one.section, Values("number", values))


class PickyParams(Params):
    refuses: str = param("b", title="Refuses", help="A section.")


@register
class Picky:
    """Fails on one section."""

    name = "toy-picky"
    title = "Picky"
    tab = "prepare"
    sections = "one"
    context = "inside"
    Params = PickyParams

    def needs(self, params: PickyParams) -> Mapping[str, Need]:
        return {"values": Column("level")}

    def run(self, inputs: Inputs, params: PickyParams) -> Steps:
        section = inputs.one
        yield Progress(0, 1, "looking")
        if section.section == params.refuses:
            raise StmlError("Not this one", where=section.section)
        return Result.of(section.section, Values("doubled", section["values"] * 2))
