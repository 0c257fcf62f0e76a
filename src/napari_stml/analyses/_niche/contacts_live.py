"""Contacts of what is selected, as it is selected; steps to a group follow a picker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._shared.charts import numbers
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.params import LiveParams, param
from napari_stml.core.results import Result
from napari_stml.methods.niches import contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.analyses._niche.tissue import Tissue


class ContactsLiveParams(LiveParams):
    show: Literal["contacts", "with its own type", "types touched"] = param(
        "contacts", title="Show",
        help="How many contacts a cell has, which share of them with its own type, or how many "
        "types it touches.",
    )  # fmt: skip


class ContactsLive:
    """Everything is ready but the counting among the chosen cells."""

    def __init__(self, tissue: Tissue, edges: contacts.Edges, column: str) -> None:
        self._tissue, self._edges, self._column = tissue, edges, column
        names = tissue.section.names[tissue.spots.rows]
        self._place = dict(zip(names.tolist(), range(len(names)), strict=True))
        self._table = contacts.by_cell(edges, tissue.codes, len(tissue.types))

    def update(self, params: ContactsLiveParams, selection: tuple[str, ...] | None) -> Result:
        t = self._tissue
        part = t.spots.values(params.show, self._values(params.show))
        charts = self._charts(selection) if selection else []
        return Result.of(t.name, part, *charts, shows=part.name)

    def readout(self, params: ContactsLiveParams) -> Mapping[str, str]:
        return {"mean": f"{float(np.nanmean(self._values(params.show))):.3g}"}

    def _values(self, show: str) -> NDArray[Any]:
        total = self._table.sum(axis=1)
        if show == "contacts":
            return np.asarray(total)
        if show == "types touched":
            return np.asarray((self._table > 0).sum(axis=1))
        codes = self._tissue.codes
        own = self._table[np.arange(len(codes)), np.maximum(codes, 0)]
        return np.where((codes >= 0) & (total > 0), own / np.maximum(total, 1), np.nan)

    def _charts(self, selection: tuple[str, ...]) -> list[Chart]:
        t = self._tissue
        mask = np.zeros(len(t.codes), dtype=bool)
        mask[[self._place[n] for n in selection if n in self._place]] = True
        count = int(mask.sum())
        if count < 2:
            return []
        edges = contacts.among(self._edges, mask)
        found = contacts.enrichment(edges, np.where(mask, t.codes, -1), len(t.types), t.strata)
        across = self._edges[mask[self._edges[:, 0]] != mask[self._edges[:, 1]]]
        outer = np.where(mask[across[:, 0]], across[:, 1], across[:, 0])
        border = np.bincount(t.codes[outer][t.codes[outer] >= 0], minlength=len(t.types))
        share = np.bincount(t.codes[~mask & (t.codes >= 0)], minlength=len(t.types))
        data = {
            "cell type": list(t.types),
            "at the border": numbers(border / max(1, border.sum())),
            "all others": numbers(share / max(1, share.sum())),
        }
        link = Link("category", t.types, value=self._column)
        return [
            draw.contact_matrix(found, t.types, self._column,
                                f"Contacts within {count:,} selected", "selection contacts"),
            Chart("selection border", "bar", "Who stands at the border of the selection",
                  Axis("cell type"), Axis("share"), data, (link,)),
        ]  # fmt: skip
