"""The parameters of an analysis: one frozen model from which form, command line and record come."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
]
"""Where the possible answers of a field come from; the form turns it into a picker."""


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
    bounds
        pydantic's ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ``max_length``, ``pattern``.
    """
    hints = {"unit": unit, "source": source, "rare": rare, "step": step, "log": log}
    return Field(
        default,
        title=title,
        description=help,
        json_schema_extra={"stml": {k: v for k, v in hints.items() if v not in (None, "", False)}},
        **bounds,
    )
