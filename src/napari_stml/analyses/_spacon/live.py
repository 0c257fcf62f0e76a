"""The blend follows the slider: labels ahead at fixed shares, exact ones where it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.analyses._shared.charts import of_stored
from napari_stml.analyses._shared.threads import limits
from napari_stml.analyses._spacon.params import SpaConLiveParams, SpaConParams
from napari_stml.core.charts import Axis
from napari_stml.core.inputs import Categories
from napari_stml.core.results import Graph, Labels, Matrix, Result
from napari_stml.methods.agreement.partitions import adjusted_rand, contingency
from napari_stml.methods.clusters import naming
from napari_stml.methods.spacon.blend import alpha_of, share, standardised
from napari_stml.methods.spacon.partition import Blends, Cut
from napari_stml.methods.spacon.refine import refined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.inputs import Inputs
    from napari_stml.core.params import LiveParams
    from napari_stml.core.results import Part

CON, SPA, CLUSTERS, AHEAD = "feature_con", "feature_spa", "clusters", "alpha_"
TISSUE, CONNECTIONS, UMAP = "tissue_links", "connections", "umap_of_blend"
WARM = 5_000
"""Above this many spots an exact answer starts from the labels of the nearest fixed share."""
MOST_LINKS = 2_000


def ahead_name(share: float) -> str:
    """The part that holds the labels at a fixed share, named by its alpha."""
    return f"{AHEAD}{abs(alpha_of(share)):.4f}"


def share_of(params: SpaConParams | SpaConLiveParams) -> float:
    return params.share if params.scale == "share" else share(params.alpha)


class SpaConLive:
    """Labels of one Run's spots at any blend; clusters keep number and colour while they can."""

    def __init__(self, result: Result, inputs: Inputs, params: SpaConParams) -> None:
        self._section, self._seed, self._params = inputs.one, inputs.seed, params
        name = self._section.section
        base = result.part(CLUSTERS, name)
        views = [result.part(v, name) for v in (CON, SPA)]
        assert isinstance(base, Labels)
        self._rows = np.flatnonzero(base.codes >= 0)
        con, spa = (np.asarray(v.values)[self._rows] for v in views if isinstance(v, Matrix))
        self._blends = Blends(standardised(con), standardised(spa), params.neighbours)
        shares = np.linspace(0, 1, params.positions_ahead)
        self._fixed: dict[float, NDArray[np.int32]] = {}
        for s in shares:
            part = result.part(ahead_name(float(s)), name)
            assert isinstance(part, Labels)
            self._fixed[float(s)] = _numbers(part)[self._rows]
        self._graphs = {
            kind: result.part(part, name)
            for kind, part in (("tissue", TISSUE), ("connections", CONNECTIONS))
        }
        self._known: dict[str, NDArray[np.int32]] = {}
        self._truth = self._compared()
        self._limit = limits(inputs.threads)

    def grid(self) -> tuple[LiveParams, ...]:
        """Give the fixed shares on both scales, the Run's own first."""
        own, here = self._params, share_of(self._params)
        more = {"resolution": own.resolution, "method": own.method, "refine": own.refine}
        nearest = sorted(self._fixed, key=lambda s: abs(s - here))
        by_share = [SpaConLiveParams(scale="share", share=round(s, 6), **more) for s in nearest]
        by_alpha = [
            SpaConLiveParams(scale="alpha", alpha=round(abs(alpha_of(s)), 6), **more)
            for s in nearest
        ]
        return tuple(by_share + by_alpha if own.scale == "share" else by_alpha + by_share)

    def update(self, params: SpaConLiveParams, selection: tuple[str, ...] | None) -> Result:
        with self._limit():
            codes = self._codes(params)
        everywhere = np.full(len(self._section.names), -1, dtype=np.int32)
        everywhere[self._rows] = codes
        parts: list[Part] = [Labels(CLUSTERS, everywhere, naming.names(codes))]
        if params.edges != "none":
            parts.append(self._links(params))
        if params.picture:
            with self._limit():
                parts += self._picture(params)
        return Result.of(self._section.section, *parts, shows=CLUSTERS)

    def readout(self, params: SpaConLiveParams) -> Mapping[str, str]:
        codes, here = self._codes(params), share_of(params)
        said = {
            "alpha": f"{abs(alpha_of(here)):.3f}, share of connections {here:.0%}",
            "clusters": str(len(np.unique(codes))),
        }
        if self._truth is not None:
            ari = adjusted_rand(contingency(self._truth, codes))
            said[f"ARI with {self._params.compare}"] = f"{ari:.2f}"
        return said

    def _codes(self, params: SpaConLiveParams) -> NDArray[np.int32]:
        key = SpaConLiveParams(
            share=share_of(params), resolution=params.resolution, method=params.method,
            refine=params.refine,
        ).canonical()  # fmt: skip
        if key not in self._known:
            self._known[key] = self._found(params)
        return self._known[key]

    def _found(self, params: SpaConLiveParams) -> NDArray[np.int32]:
        here, own = share_of(params), self._params
        nearest = min(self._fixed, key=lambda s: abs(s - here))
        there = self._fixed[nearest]
        as_run = (params.resolution, params.method, params.refine) == (
            own.resolution, own.method, own.refine,
        )  # fmt: skip
        if as_run and abs(nearest - here) < 1e-6:
            return there
        cut = Cut(params.method, params.resolution, self._seed)
        start = there if len(self._rows) > WARM and not params.refine else None
        codes = cut.of(self._blends.graph(here), start)
        if params.refine:
            codes = refined(naming.by_size(codes), self._section.xy[self._rows], params.refine)
        return naming.in_step(codes, there)

    def _picture(self, params: SpaConLiveParams) -> list[Part]:
        """UMAP of the blend, coloured by the clusters; a click or a lasso takes spots of it."""
        here = share_of(params)
        places = np.full((len(self._section.names), 2), np.nan, dtype=np.float32)
        places[self._rows] = self._blends.map(here, self._seed)
        chart = of_stored(
            "umap", f"UMAP at alpha {abs(alpha_of(here)):.3f}", (Axis("1"), UMAP, 0),
            (Axis("2"), UMAP, 1), colour=CLUSTERS,
        )  # fmt: skip
        how = f"coloured by {params.method}, resolution {params.resolution:g}"
        how += f", evened out over {params.refine} spots" if params.refine else ""
        chart = replace(chart, notes=(how,))
        return [Matrix(UMAP, places, ("1", "2")), chart]

    def _links(self, params: SpaConLiveParams) -> Graph:
        """Of the spot nearest to the click, both ways; empty before the first click."""
        from scipy.sparse import csr_matrix

        part = self._graphs[params.edges]
        assert isinstance(part, Graph)
        n = part.matrix.shape[0]
        if len(params.place) != 2:
            return Graph("links", csr_matrix((n, n), dtype=np.float32))
        xy = self._section.xy[self._rows]
        spot = int(self._rows[np.square(xy - np.array(params.place)).sum(axis=1).argmin()])
        chosen = np.zeros(n, dtype=np.float32)
        chosen[spot] = 1
        links = part.matrix.tocoo()
        keep = ((links.row == spot) | (links.col == spot)) & (links.row != links.col)
        ends = (links.row[keep], links.col[keep])
        return Graph("links", csr_matrix((links.data[keep], ends), shape=(n, n)))

    def _compared(self) -> NDArray[np.int32] | None:
        truth = self._section.data.get("compare")
        return np.asarray(truth.codes)[self._rows] if isinstance(truth, Categories) else None


def _numbers(part: Labels) -> NDArray[np.int32]:
    """The codes that the names stand for: what is stored has only categories that occur."""
    table = np.array([*(int(c) - 1 for c in part.categories), -1], dtype=np.int32)
    return table[np.asarray(part.codes)]
