"""What is selected against the rest: composition, contacts, co-localisation, mixing."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._niche import charts as draw
from napari_stml.analyses._shared.charts import numbers
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.methods.niches import contacts, diversity, hoods, together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.analyses._niche.params import HoodParams
    from napari_stml.analyses._niche.tissue import Tissue
    from napari_stml.methods.niches.contacts import Edges
    from napari_stml.methods.niches.hoods import FloatArray
    from napari_stml.methods.niches.near import Near

MOST_SHOWN = 400
"""Neighbours of one cell drawn in a chart."""


def touching(tissue: Tissue, longest: float = 0.0) -> tuple[Edges, float]:
    """Who touches whom: neighbours of the array, else short edges of the triangulation."""
    from napari_stml.methods.neighbours.on_tissue import on_lattice

    if tissue.array is not None and longest <= 0:
        hexagonal = tissue.section.hexagonal
        edges = contacts.of_links(on_lattice(tissue.array, hexagonal=hexagonal))
        if tissue.strata is not None:
            edges = edges[tissue.strata[edges[:, 0]] == tissue.strata[edges[:, 1]]]
        return edges, 0.0
    return contacts.delaunay(tissue.xy, tissue.strata, longest)


class Selected:
    """Answers for any selection of one section, from what was made ready once."""

    def __init__(self, tissue: Tissue, params: HoodParams) -> None:
        self._tissue = tissue
        self.value = params.column if params.of == "cell types" else draw.MAIN
        names = tissue.section.names
        self._place = dict(zip(names.tolist(), range(len(names)), strict=True))

    @cached_property
    def _edges(self) -> Edges:
        return touching(self._tissue)[0]

    def rows_of(self, selection: tuple[str, ...]) -> NDArray[np.intp]:
        place = self._place
        return np.array([place[n] for n in selection if n in place], dtype=np.intp)

    def at(self, place: tuple[float, ...]) -> int:
        """The cell nearest to a place in reference pixels."""
        away = ((self._tissue.section.xy - np.asarray(place)) ** 2).sum(axis=1)
        return int(np.nanargmin(away))

    def charts(
        self, selection: tuple[str, ...], shares: FloatArray, rows: NDArray[np.intp], near: Near,
        tau: float | None, against: tuple[str, ...] = (),
    ) -> list[Chart]:  # fmt: skip
        """Of one cell its neighbours; of several their charts against the rest, or others."""
        chosen = self.rows_of(selection)
        if len(chosen) == 1:
            return self.one(int(chosen[0]), shares, near, tau)
        mask = np.zeros(len(shares), dtype=bool)
        mask[chosen] = True
        inside = np.zeros(len(shares), dtype=bool)
        inside[rows] = True
        other = np.zeros(len(shares), dtype=bool)
        other[self.rows_of(against)] = True
        other &= ~mask  # a selection that is still the one held is compared with the rest
        return self.several(mask, inside, shares, other if other.any() else None)

    def several(
        self, mask: NDArray[np.bool_], inside: NDArray[np.bool_], shares: FloatArray,
        other: NDArray[np.bool_] | None = None,
    ) -> list[Chart]:  # fmt: skip
        """Charts of what the mask selects, against the rest of the scope or ``other``."""
        t = self._tissue
        here, rest = mask & inside, inside & (~mask if other is None else other)
        count = int(here.sum())
        named = "rest" if other is None else "held"
        them = "the rest" if other is None else f"{int(rest.sum()):,} held"
        title = f"{count:,} selected {t.noun} against {them}"
        found = [
            draw.against_rest(self._mix(here), self._mix(rest), t.types, self.value, title, named)
        ]
        if count < 2:
            return found
        groups = [
            (f"{name} ({int(m.sum()):,})", diversity.perplexity(shares[m]))
            for name, m in (("selected", here), (named, rest))
            if m.any()
        ]
        found.append(draw.perplexity_boxes(groups))
        found.append(draw.contact_matrix(
            self.enrichment(here), t.types, self.value, "Contacts within the selection",
            "selection contacts",
        ))  # fmt: skip
        if other is not None and rest.sum() > 1:
            found.append(draw.contact_matrix(
                self.enrichment(rest), t.types, self.value, "Contacts within the held",
                "held contacts",
            ))  # fmt: skip
        found.append(draw.colocalisation(
            together.correlation(shares[here]), t.types, self.value,
            name="selection co-localisation", title="Found together within the selection",
            notes=("correlation of the shares over the selected neighbourhoods",),
        ))  # fmt: skip
        return found

    def enrichment(self, mask: NDArray[np.bool_]) -> contacts.Contacts:
        """Contact enrichment among the chosen: exact, so that it follows a lasso."""
        t = self._tissue
        codes = np.where(mask, t.codes, -1)
        edges = contacts.among(self._edges, mask)
        return contacts.enrichment(edges, codes, len(t.types), t.strata)

    def one(self, i: int, shares: FloatArray, near: Near, tau: float | None) -> list[Chart]:
        """A clicked cell: who its neighbours are, what they weigh, and the shares of types."""
        t = self._tissue
        names = t.section.names
        others, weights = hoods.row_weights(near, i, tau)
        away = np.sqrt(near.row(i)[1].astype(np.float64))
        order = np.argsort(-weights, kind="stable")[:MOST_SHOWN]
        own = t.types[t.codes[i]] if t.codes[i] >= 0 else "type unknown"
        bars = Chart(
            "one cell", "bar", f"Around this {own}"[:34], Axis("cell type"), Axis("share"),
            {"cell type": list(t.types), "share": numbers(shares[i])},
            (Link("category", t.types, value=self.value),), (str(names[i]),),
        )  # fmt: skip
        near_by = Chart(
            "its neighbours", "scatter", f"{len(others)} neighbours and their weights",
            Axis("distance", t.unit), Axis("weight"),
            {"distance": numbers(away[order]), "weight": numbers(weights[order])},
            (Link("observations", tuple(str(names[j]) for j in others[order])),),
        )  # fmt: skip
        return [bars, near_by]

    def _mix(self, mask: NDArray[np.bool_]) -> NDArray[Any]:
        t = self._tissue
        if t.shares is not None:
            known = mask & np.isfinite(t.shares).all(axis=1)
            return t.shares[known].mean(axis=0) if known.any() else np.zeros(len(t.types))
        codes = t.codes[mask]
        codes = codes[codes >= 0]
        return np.bincount(codes, minlength=len(t.types)) / max(1, len(codes))
