from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx

numbers = st.floats(-1e4, 1e4, allow_nan=False)
maps = st.builds(
    lambda t, s, x, y: Affine.translation(x, y) @ Affine.rotation(t) @ Affine.scaling(s),
    st.floats(-180, 180), st.floats(0.01, 100), numbers, numbers,
)  # fmt: skip


@given(maps, maps, numbers, numbers)
def test_composition_applies_the_right_one_first(a: Affine, b: Affine, x: float, y: float) -> None:
    np.testing.assert_allclose((a @ b)([x, y]), a(b([x, y])), rtol=1e-6, atol=1e-4)


@given(maps, numbers, numbers)
def test_inverse_comes_back(a: Affine, x: float, y: float) -> None:
    np.testing.assert_allclose(a.inverse()(a([[x, y]])), [[x, y]], rtol=1e-5, atol=1e-3)


def test_rotation_turns_x_towards_y() -> None:
    np.testing.assert_allclose(Affine.rotation(90, about=(1, 1))([2, 1]), [1, 2], atol=1e-12)
    assert Affine.rotation(30).length_factor == pytest.approx(1)
    assert Affine().is_identity


def test_a_fold_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="folds"):
        Affine.scaling(1, 0).inverse()


@pytest.mark.parametrize("bad", [np.eye(4), [[1, 0], [0, 1]], np.full((2, 3), np.nan)])
def test_only_finite_planar_maps(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="affine"):
        Affine.of(bad)


def test_um_per_px_is_positive_and_told_from_editor_defaults() -> None:
    with pytest.raises(ValueError, match="positive"):
        UmPerPx(0.0, 1.0, ScaleSource.USER)
    assert UmPerPx.square(0.5, ScaleSource.TAGS).plausible
    assert not UmPerPx.square(353.0, ScaleSource.TAGS).plausible
    assert UmPerPx(1.0, 4.0, ScaleSource.USER).mean == pytest.approx(2.0)
