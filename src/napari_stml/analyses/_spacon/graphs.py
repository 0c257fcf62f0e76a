"""Both graphs of SpaCon from what the section has, with words for what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.progress import span
from napari_stml.analyses._shared.reduce import reduced
from napari_stml.analyses._spacon.files import named_matrix
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.methods.spacon import planes, second_views
from napari_stml.methods.spacon.connection_graph import Rules, Strengths, strong, with_loops
from napari_stml.methods.spacon.parcels import expand
from napari_stml.methods.spacon.tissue_graph import Reach, alone, on_tissue

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.analyses._shared.inside import Inside
    from napari_stml.analyses._shared.reduce import Reduced
    from napari_stml.analyses._spacon.params import SpaConParams
    from napari_stml.core.progress import Progress

ACROSS = 1.4


@dataclass(frozen=True)
class Read:
    """Expression of the spots that have any; components where something asks for them."""

    log: csr_matrix
    genes: tuple[str, ...]
    reduced: Reduced | None


def read(
    spots: Inside, log: csr_matrix, genes: tuple[str, ...], params: SpaConParams
) -> Generator[Progress, None, Read]:
    """Compute components once, for the network and for the view of expression."""
    found = None
    if params.input == "components" or params.connections == "expression":
        found = yield from reduced(
            log, genes, spots.section.section, number=2000, flavour="seurat", least_spots=3,
            scale=True, dimensions=params.components, percent=(2, 9),
        )  # fmt: skip
    return Read(log, genes, found)


@dataclass(frozen=True)
class Graphs:
    """Links with loops for the network; ``strengths`` are those of the connections."""

    xy: NDArray[np.float64]
    tissue: csr_matrix
    connections: csr_matrix
    strengths: csr_matrix
    notes: tuple[str, ...]


def places(spots: Inside, params: SpaConParams) -> NDArray[np.float64]:
    """Positions in the plane: um where the scale is known."""
    section = spots.section
    if params.positions:
        return planes.in_plane(_coordinates(spots), params.plane)
    known = section.um_per_px is not None
    return np.asarray((section.xy_um() if known else section.xy)[spots.rows], dtype=np.float64)


def _coordinates(spots: Inside) -> NDArray[np.float64]:
    stored = np.asarray(spots.section["positions"], dtype=np.float64)
    return stored.reshape(len(stored), -1)[spots.rows]


def _sections(spots: Inside, params: SpaConParams) -> NDArray[np.object_] | None:
    if params.section_column:
        codes, names = spots.categories("section", params.section_column)
        if (codes < 0).any():
            raise StmlError(
                f"{int((codes < 0).sum())} spots belong to no section",
                where=params.section_column, do="leave them out of the scope",
            )  # fmt: skip
        return np.array(names, dtype=object)[codes]
    if params.positions:
        xyz = _coordinates(spots)
        if xyz.shape[1] == 3:
            return planes.levels(xyz, params.plane)
    return None


def graphs(
    spots: Inside, expressed: Read, params: SpaConParams
) -> Generator[Progress, None, Graphs]:
    """Both graphs of these spots; the expression has a row for each."""
    xy = places(spots, params)
    tissue, said = _tissue(spots, xy, params)
    strengths, more = yield from _connections(spots, expressed, xy, params)
    connections = with_loops(strengths)
    n = len(spots)
    notes = [*said, *more]
    lonely, unlinked = len(alone(tissue)), len(alone(connections))
    if lonely:
        notes.append(f"{lonely} spots are listed by no neighbour on the tissue: there they keep "
                     "to themselves")  # fmt: skip
    if unlinked == n:
        raise StmlError(
            "No spot is connected with another", where="connections",
            do="lower the threshold, or choose another second view",
        )  # fmt: skip
    if unlinked:
        notes.append(f"{unlinked} spots are connected with no other")
    equal = n - len(np.unique(xy, axis=0))
    if equal:
        notes.append(f"{equal} spots stand where another one stands")
    return Graphs(xy, tissue, connections, strengths, tuple(notes))


def _tissue(
    spots: Inside, xy: NDArray[np.float64], params: SpaConParams
) -> tuple[csr_matrix, tuple[str, ...]]:
    sections = _sections(spots, params)
    order = list(params.section_order)
    if sections is not None and not order:
        order = sorted(set(sections.tolist()))
    reach = Reach("nearest", params.tissue_neighbours)
    words = f"{params.tissue_neighbours} nearest"
    if params.radius:
        reach = Reach(
            "radius", radius=params.radius, across=params.across or ACROSS * params.radius
        )
        words = f"all within {params.radius:g}"
    if sections is None:
        return on_tissue(xy, reach), (f"on the tissue: {words}",)
    links = on_tissue(xy, reach, section=sections, order=order)
    ends = links.tocoo()
    across = int((sections[ends.row] != sections[ends.col]).sum())
    pairs = max(0, len(order) - 1)
    said = f"on the tissue: {words}, {len(set(sections.tolist()))} sections, "
    said += f"{pairs} pairs of neighbours, {across:,} links between them"
    if len(order) > 1 and not across:
        said += (": sections that stand side by side need their stored coordinates (Positions), "
                 "or a larger distance")  # fmt: skip
    return links, (said,)


def _connections(
    spots: Inside, expressed: Read, xy: NDArray[np.float64], params: SpaConParams
) -> Generator[Progress, None, tuple[csr_matrix, tuple[str, ...]]]:
    k = min(params.links, len(spots) - 1)
    match params.connections:
        case "expression":
            assert expressed.reduced is not None
            scores = expressed.reduced.pca.scores
            links = yield from span(
                second_views.alike(scores, k), 9, 14, "spots that express alike"
            )
            said = f"connected: the {k} most similar in expression ({scores.shape[1]} components)"
            return links, (said,)
        case "morphology":
            if not params.features:
                raise StmlError(
                    "Morphology needs features of the spots", where="features",
                    do="run 'Features' (tab Slide) first and choose them",
                )  # fmt: skip
            look = np.asarray(spots.section["features"], dtype=np.float64)
            look = look.reshape(len(look), -1)[spots.rows]
            spread = look.std(axis=0)
            scaled = (look - look.mean(axis=0)) / np.where(spread > 0, spread, 1)
            links = yield from span(second_views.alike(scaled, k), 9, 14, "spots that look alike")
            return links, (f"connected: the {k} most similar in {params.features}",)
        case "signalling":
            links, pairs = second_views.signalling(expressed.log, expressed.genes, k)
            return links, (f"connected: the {k} strongest receivers of each spot, "
                           f"{len(pairs)} ligand-receptor pairs",)  # fmt: skip
        case _:
            return _matrix(spots, xy, params)


def _matrix(
    spots: Inside, xy: NDArray[np.float64], params: SpaConParams
) -> tuple[csr_matrix, tuple[str, ...]]:
    where = params.matrix or params.file
    if not where:
        raise StmlError(
            "No matrix of connections is chosen", where="connections",
            do="choose a stored matrix or a file, or another second view",
        )  # fmt: skip
    matrix: Any = spots.section["matrix"]
    names: tuple[str, ...] = ()
    if params.connections == "file":
        matrix, names = named_matrix(matrix)
    notes: list[str] = []
    if params.parcel:
        values: Any = spots.section["parcel"]
        if isinstance(values, Categories):
            known = np.array([*values.names, ""], dtype=object)
            values = known[np.asarray(values.codes)]
        dense = matrix.toarray() if hasattr(matrix, "indptr") else np.asarray(matrix[:])
        expanded, unmatched = expand(dense, np.asarray(values, dtype=object)[spots.rows], names)
        without = int((expanded.parcel < 0).sum())
        if without:
            named = f" (no row for {', '.join(unmatched[:8])})" if unmatched else ""
            notes.append(f"{without} spots belong to no row of the matrix{named}")
        strengths = Strengths(expanded, len(spots), where)
    else:
        strengths = _of_spots(spots, matrix, names, where)
    rules = Rules(
        decay=params.boost, strongest=params.strongest / 100, above=params.threshold,
        threshold=params.threshold,
    )  # fmt: skip
    links = strong(strengths, rules, xy)
    kept = links.nnz / max(1, len(spots) ** 2)
    notes.append(f"connected: {where}, from {params.threshold:g} on, {kept:.2%} of all pairs")
    return links, tuple(notes)


def _of_spots(spots: Inside, matrix: Any, names: tuple[str, ...], where: str) -> Strengths:
    """A matrix of all spots, cut to the scope; with names its order does not matter."""
    every = spots.section.names
    if names:
        place = {name: i for i, name in enumerate(names)}
        wanted = [str(n) for n in every[spots.rows]]
        lost = [n for n in wanted if n not in place]
        if lost:
            raise StmlError(
                f"{len(lost)} of {len(wanted)} spots are not in the connection matrix "
                f"({', '.join(lost[:4])})", where=where, do="choose the matrix of this section",
            )  # fmt: skip
        rows = np.array([place[n] for n in wanted])
        whole = Strengths(matrix, len(names), where)
    else:
        whole = Strengths(matrix, len(every), where)
        rows = spots.rows
    if len(rows) == whole.n and np.array_equal(rows, np.arange(whole.n)):
        return whole
    return Strengths(_Some(matrix, rows), len(rows), where)


@dataclass(frozen=True)
class _Some:
    """Rows and columns of a matrix, read in blocks."""

    matrix: Any
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self.rows), len(self.rows))

    def __getitem__(self, part: slice) -> NDArray[Any]:
        wanted = self.rows[part]
        if hasattr(self.matrix, "indptr"):
            return np.asarray(self.matrix.tocsr()[wanted][:, self.rows].toarray())
        if hasattr(self.matrix, "oindex"):
            return np.asarray(self.matrix.oindex[wanted, :])[:, self.rows]
        return np.asarray(self.matrix[wanted][:, self.rows])
