"""Declarative charts: what is shown and what it is linked to, drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ChartKind = Literal["line", "bar", "matrix", "scatter", "network", "boxes"]
LinkKind = Literal["observations", "category", "gene", "region", "run"]


@dataclass(frozen=True)
class Link:
    """What a mark of the chart stands for, so that a click lights it up on the tissue.

    ``ids`` follow the chart's marks: names of observations, categories, genes, regions or
    Runs; ``value`` names the Run's value that the categories belong to.
    """

    kind: LinkKind
    ids: tuple[str, ...]
    value: str = ""


@dataclass(frozen=True)
class Axis:
    """One axis of a chart."""

    title: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class Chart:
    """One chart; ``data`` is plain JSON: columns of equal length, or rows of a matrix."""

    name: str
    chart: ChartKind
    title: str
    x: Axis
    y: Axis
    data: Mapping[str, Any]
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = field(default=())
