"""Features of a fine grid from windows on a coarser one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_stml.analyses._expression.lattice_features import nodes_of


def grid(step: float) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(13.0), np.arange(9.0)), axis=-1).reshape(-1, 2) * step + 5


def test_what_changes_evenly_is_interpolated_exactly_from_few_nodes() -> None:
    rng = np.random.default_rng(0)
    xy = grid(4.0)[rng.random(117) < 0.6]
    nodes = nodes_of(xy, 4.0, 40.0)
    assert nodes is not None
    assert len(nodes.xy) < len(xy) / 3
    slope = rng.normal(size=(2, 5)).astype(np.float32)
    values = np.asarray(nodes.xy @ slope, dtype=np.float32)
    np.testing.assert_allclose(nodes.between(values), xy @ slope, atol=1e-3)
    np.testing.assert_allclose(nodes.weight.sum(axis=1), 1, atol=1e-6)


def test_every_node_is_of_use() -> None:
    nodes = nodes_of(grid(4.0), 4.0, 24.0)
    assert nodes is not None
    used = np.zeros(len(nodes.xy))
    np.add.at(used, nodes.corner.ravel(), nodes.weight.ravel())
    assert (used > 0).all()


@pytest.mark.parametrize("width", [4.0, 15.9])
def test_windows_that_move_far_are_all_taken(width: float) -> None:
    assert nodes_of(grid(4.0), 4.0, width) is None
