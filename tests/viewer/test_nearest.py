from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_stml.core.geometry import Affine
from napari_stml.io.contents import Lattice
from napari_stml.viewer.nearest import NOBODY, Ownership, of_lattice, of_positions


def owner_at(own: Ownership, xy: np.ndarray) -> np.ndarray:
    col, row = np.floor(own.affine.inverse()(xy)).astype(int).T
    inside = (row >= 0) & (col >= 0) & (row < own.index.shape[0]) & (col < own.index.shape[1])
    found = np.full(len(xy), NOBODY)
    found[inside] = own.index[row[inside], col[inside]]
    return found


@pytest.mark.parametrize("place", [Affine(), Affine.rotation(30) @ Affine.scaling(-2, 2)])
def test_a_grid_gives_every_bin_its_pixel(place: Affine) -> None:
    rows, cols = (a.ravel() for a in np.mgrid[:7, :9])
    xy = place(np.column_stack([cols, rows]) * 10.0)
    own = of_lattice(xy, Lattice(rows, cols, hexagonal=False))
    assert own is not None
    assert own.index.shape == (7, 9)
    np.testing.assert_array_equal(owner_at(own, xy), np.arange(63))


def test_a_hexagonal_lattice_has_two_half_columns_a_spot() -> None:
    rows, cols = (a.ravel() for a in np.mgrid[:6, :10])
    keep = (rows + cols) % 2 == 0
    rows, cols = rows[keep], cols[keep]
    xy = np.column_stack([cols * 50.0, rows * 86.6]) + 7
    own = of_lattice(xy, Lattice(rows, cols, hexagonal=True))
    assert own is not None
    count, step = np.arange(len(xy)), np.array([45, 0])
    np.testing.assert_array_equal(owner_at(own, xy), count)
    np.testing.assert_array_equal(owner_at(own, xy + step), count)
    np.testing.assert_array_equal(owner_at(own, xy - step), count)


def test_positions_off_their_lattice_are_no_grid() -> None:
    rows, cols = (a.ravel() for a in np.mgrid[:7, :9])
    xy = np.column_stack([cols, rows]) * 10.0
    xy[3] += 8
    assert of_lattice(xy, Lattice(rows, cols, hexagonal=False)) is None


def test_a_raster_belongs_to_the_nearest_within_the_radius() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 1000, (400, 2))
    own = of_positions(xy, 20.0)
    places = rng.uniform(-30, 1030, (4000, 2))
    away, nearest = cKDTree(xy).query(places)
    second = cKDTree(xy).query(places, k=2)[0][:, 1]
    found = owner_at(own, places)
    clear = (np.abs(away - 20) > 2) & (second - away > 2)  # pixels are half a unit wide
    expected = np.where(away < 20, nearest, NOBODY)
    np.testing.assert_array_equal(found[clear], expected[clear])
    np.testing.assert_array_equal(owner_at(own, xy), np.arange(400))
