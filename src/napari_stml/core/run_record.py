"""The record of a Run: enough to describe it, repeat it and know whether it is still valid."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

RECORDED_PACKAGES = (
    "napari-stml",
    "numpy",
    "scipy",
    "anndata",
    "spatialdata",
    "scanpy",
    "squidpy",
    "scikit-learn",
    "igraph",
    "umap-learn",
    "torch",
    "timm",
)


class PartEntry(BaseModel):
    """Where one part of a result lies, and how it wants to be painted.

    ``element`` and ``key`` say where (an entry of the Run's table, an element of its own);
    parts that live in the record itself have neither but ``content``. ``look`` keeps what the
    stored arrays do not say: unit, colour scale, categories and colours, the affine.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    section: str = ""
    element: str = ""
    key: str = ""
    look: dict[str, Any] = {}
    content: dict[str, Any] = {}


class RunRecord(BaseModel):
    """One JSON string per Run in the store's attributes.

    ``inputs`` maps what was read (table, gene matrix, slide, file, parent Run) to its content
    signature; ``parts`` say what the Run left and where; ``members`` name, by section, the table
    whose column ``in_scope`` says which observations were inside (none for a whole section).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    analysis: str
    title: str
    params: dict[str, Any]
    live: dict[str, Any] = {}
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    scope: dict[str, Any] = {}
    sections: tuple[str, ...] = ()
    inputs: dict[str, str] = {}
    parents: tuple[str, ...] = ()
    parts: tuple[PartEntry, ...] = ()
    members: dict[str, str] = {}
    shows: str = ""
    notes: tuple[str, ...] = ()
    state: Literal["done", "cancelled", "failed"] = "done"
    error: str = ""
    started: datetime
    seconds: float = 0.0
    versions: dict[str, str] = {}
    python: str = ""

    @property
    def signature_text(self) -> str:
        """What must be equal for a stored Run to be "complete and valid"."""
        same = self.model_dump(
            mode="json",
            include={"analysis", "params", "live", "seed", "threads", "scope", "inputs"},
        )
        return json.dumps(same, sort_keys=True, separators=(",", ":"))


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def versions() -> dict[str, str]:
    """Versions of what computes, of those that are installed."""
    found: dict[str, str] = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def python_version() -> str:
    return platform.python_version()
