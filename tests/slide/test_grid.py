from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.slide.grid import Canvas, centred_on, grid_over, shares, touching, with_share


def canvas(um: float = 0.2738, size: int = 20_000) -> Canvas:
    return Canvas(size, size // 2, UmPerPx.square(um, ScaleSource.USER))


def test_strides_are_not_rounded() -> None:
    grid = grid_over(canvas(), 224, 0.5)
    side = 224 * 0.5 / 0.2738
    x = np.unique(grid.xy[:, 0])
    np.testing.assert_array_equal(x, np.round(np.arange(len(x)) * side))
    assert grid.side == pytest.approx(side)
    assert x[-1] + side <= 20_001
    assert len(x) == int(20_001 // side)


@given(st.floats(0.1, 2), st.floats(0, 0.9), st.integers(16, 600))
def test_no_tile_drifts(um: float, overlap: float, pixels: int) -> None:
    grid = grid_over(Canvas(9000, 3000, UmPerPx.square(um, ScaleSource.USER)), pixels, 2.0,
                     overlap=overlap)  # fmt: skip
    stride = grid.side * (1 - overlap)
    for axis in (0, 1):
        starts = np.unique(grid.xy[:, axis])
        assert np.abs(starts - np.arange(len(starts)) * stride).max() <= 0.5


def test_a_finer_resolution_than_the_slides_is_refused() -> None:
    with pytest.raises(StmlError, match=r"this slide has 0\.8"):
        grid_over(canvas(0.8), 224, 0.5)
    assert len(grid_over(canvas(0.8), 224, 0.5, upsample=True))


def test_a_box_keeps_the_phase_of_the_whole() -> None:
    whole = {tuple(p) for p in grid_over(canvas(), 224, 0.5).xy}
    part = grid_over(canvas(), 224, 0.5, box=(3000, 1000, 6000, 3000))
    assert {tuple(p) for p in part.xy} < whole


def test_tiles_around_points_are_flagged_at_the_edge() -> None:
    xy = np.array([[500.0, 500.0], [0.0, 0.0], [20_000.0, 5000.0], [-5000.0, 0.0]])
    grid = centred_on(xy, canvas(0.5), 224, 0.5)
    np.testing.assert_array_equal(grid.xy[0], [388, 388])
    np.testing.assert_allclose(grid.outside, [0, 0.75, 0.5, 1], atol=1e-6)


def test_shares_are_exact_areas() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((50, 100)) > 0.5
    grid = centred_on(rng.uniform(1000, 8000, (40, 2)), canvas(0.5, 10_000), 300, 0.5)
    to_mask = Affine.scaling(0.01)
    found = shares(grid, mask, to_mask)
    fine = np.kron(mask, np.ones((100, 100)))
    for (x, y), share in zip(grid.xy, found, strict=True):
        assert share == pytest.approx(fine[y : y + 300, x : x + 300].sum() / 300**2, abs=1e-6)
    assert with_share(grid, np.ones((50, 100)), to_mask).share.max() == pytest.approx(1, abs=1e-6)


def test_tiles_of_an_outline() -> None:
    grid = grid_over(canvas(0.5, 4000), 200, 0.5)
    box = shapely.to_wkb(shapely.box(0, 0, 600, 400))
    assert touching(grid, (box,), Affine()).sum() == 6
    assert touching(grid, (box,), Affine.translation(-600, 0)).sum() == 6
