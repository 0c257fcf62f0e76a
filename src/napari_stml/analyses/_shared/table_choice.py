"""Which table and layer an analysis reads: the same two rare questions everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.needs import Expression
from napari_stml.core.params import Params, param

if TYPE_CHECKING:
    from napari_stml.core.needs import Transform


class FromTable(Params):
    """Parameters of an analysis that reads expression."""

    table: str = param(
        "", title="Table", help="Which table of the section; empty takes the first one.",
        source="table", rare=True,
    )  # fmt: skip
    layer: str = param(
        "", title="Layer",
        help="Where the table keeps the values; empty takes its main matrix.", rare=True,
    )  # fmt: skip

    def expression(self, transform: Transform) -> Expression:
        return Expression(table=self.table or None, layer=self.layer or None, transform=transform)
