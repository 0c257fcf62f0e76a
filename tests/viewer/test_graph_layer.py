from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.core.results import Graph
from napari_stml.viewer.frame import Frame
from napari_stml.viewer.graph_layer import MOST, graph_layer, strongest

XY = np.array([[0.0, 0], [10, 0], [10, 20], [50, 50]])
LINKS = csr_matrix(([1.0, 0.2, 0.9, 0.5], ([0, 0, 1, 2], [0, 1, 2, 3])), shape=(4, 4))


def test_lines_go_from_sender_to_receiver_in_um() -> None:
    frame = Frame(UmPerPx.square(0.5, ScaleSource.USER))
    layer = graph_layer(Graph("links", LINKS), "links", frame, XY)
    assert layer.data.shape == (3, 2, 2), "no line from a spot to itself"
    ends = {(*map(tuple, (line[0], line[0] + line[1])),) for line in layer.data}
    assert ((0.0, 10.0), (20.0, 10.0)) in ends
    np.testing.assert_allclose(layer.scale, [0.5, 0.5])


def test_chosen_spots_show_theirs_alone() -> None:
    chosen = np.array([False, False, False, True])
    row, col, _ = strongest(Graph("links", LINKS), chosen)
    assert (row.tolist(), col.tolist()) == ([2], [3])


def test_of_many_the_strongest_stay() -> None:
    rng = np.random.default_rng(0)
    weight = np.triu(rng.random((120, 120)), 1)
    row, _, kept = strongest(Graph("links", csr_matrix(weight)), None)
    assert len(row) == MOST
    assert kept.min() >= np.sort(weight[weight > 0])[-MOST]


def test_no_links_are_no_error() -> None:
    empty = Graph("links", csr_matrix((4, 4)))
    assert len(graph_layer(empty, "links", Frame(), XY).data) == 0
