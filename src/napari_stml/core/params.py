"""The parameters of an analysis: one frozen model from which form, command line and record come."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

Source = Literal[
    "column",
    "category",
    "gene",
    "genes",
    "gene_set",
    "obsm",
    "obsp",
    "table",
    "run",
    "region_class",
    "image",
    "section",
    "file",
    "folder",
    "device",
    "place",
    "part_column",
    "selection",
]
"""Where the possible answers of a field come from; the form turns it into a picker.

For live fields: ``place`` is (x, y) in reference pixels, from a click on the canvas;
``part_column`` a column of the Run's matrix that ``holds`` names; ``selection`` the names of the
observations that were selected when the user held them.
"""


class Params(BaseModel):
    """Base of every parameter model: frozen, strict about names, never NaN."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    def canonical(self) -> str:
        """One text per set of values: the same values give the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def signature(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:16]


class LiveParams(Params):
    """Parameters that a finished Run follows while a slider moves."""


def param(
    default: Any = ...,
    *,
    title: str,
    help: str,
    unit: str = "",
    source: Source | None = None,
    rare: bool = False,
    step: float | None = None,
    log: bool = False,
    when: Mapping[str, Any] | None = None,
    holds: str = "",
    **bounds: Any,
) -> Any:
    """Declare one parameter.

    Parameters
    ----------
    title, help
        As the form shows them, in a pathologist's words.
    unit
        Shown behind the value ("um", "px", "%").
    source
        What the answer names, when it names something of the section.
    rare
        Goes under "More".
    step, log
        Of the slider.
    when
        The fields on which this one depends, each with the value, or the values, at which it
        applies: ``{"method": ("k-means", "mixture")}``; True and False stand for filled and
        empty. Where it does not apply, form and live panel hide it and the default is taken.
        A live field may name fields of the Run's ``Params`` too. Needs a default.
    holds
        Of ``source="run"``: only Runs with a value of that name or kind are offered, and the
        newest stands there first. Of ``source="part_column"``: the matrix; ``*_z`` asks for
        what stands for the star in the names of the Run's values.
    bounds
        pydantic's ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ``max_length``, ``pattern``.
    """
    hints: dict[str, Any] = {
        "unit": unit, "source": source, "rare": rare, "step": step, "log": log, "holds": holds,
        "when": {name: _listed(values) for name, values in (when or {}).items()} or None,
    }  # fmt: skip
    return Field(
        default,
        title=title,
        description=help,
        json_schema_extra={"stml": {k: v for k, v in hints.items() if v not in (None, "", False)}},
        **bounds,
    )


def hints(info: FieldInfo) -> dict[str, Any]:
    """What `param` noted beside pydantic's own words."""
    extra = info.json_schema_extra
    found = extra.get("stml", {}) if isinstance(extra, dict) else {}
    return dict(found) if isinstance(found, dict) else {}


def applies(info: FieldInfo, values: Mapping[str, Any]) -> bool:
    """Whether a field has a meaning beside these values of the others."""
    conditions: Mapping[str, list[Any]] = hints(info).get("when", {})
    return all(
        any(_holds(condition, values[name]) for condition in allowed)
        for name, allowed in conditions.items()
        if name in values
    )


def applying(params: Params, beside: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values that have a meaning, as plain JSON; ``beside`` are the Run's for a live model."""
    own = params.model_dump(mode="json")
    values = {**(beside or {}), **own}
    fields = type(params).model_fields
    return {name: value for name, value in own.items() if applies(fields[name], values)}


def condition_words(info: FieldInfo) -> str:
    """When a field applies, for help texts: "method k-means or mixture"; "" when always."""
    conditions: Mapping[str, list[Any]] = hints(info).get("when", {})
    return ", ".join(
        f"{name} {' or '.join(map(_said, allowed))}" for name, allowed in conditions.items()
    )


def unknown_conditions(params: type[Params], live: type[LiveParams] | None = None) -> list[str]:
    """What is wrong with the ``when`` of these models: unknown fields, missing defaults."""
    own = set(params.model_fields)
    models = [(params, own)]
    if live is not None:
        models.append((live, own | set(live.model_fields)))
    found: list[str] = []
    for model, known in models:
        for name, info in model.model_fields.items():
            named = hints(info).get("when", {})
            found += [f"{name!r} depends on {n!r}, no field" for n in named if n not in known]
            if named and info.is_required():
                found.append(f"{name!r} depends on others, so it needs a default")
    return found


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (tuple, list)) else [values]


def _holds(condition: Any, value: Any) -> bool:
    if isinstance(condition, bool):
        return bool(value) is condition
    return bool(value == condition)


def _said(condition: Any) -> str:
    if isinstance(condition, bool):
        return "given" if condition else "empty"
    return str(condition)
