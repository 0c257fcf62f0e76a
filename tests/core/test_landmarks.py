from __future__ import annotations

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.core.landmarks import mirror, register

POINTS = np.array([[0.0, 0.0], [100.0, 10.0], [30.0, 80.0], [70.0, 60.0]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_similarity_is_found_again(mirrored: bool) -> None:
    truth = Affine.translation(5, -3) @ Affine.rotation(33) @ Affine.scaling(1.7)
    if mirrored:
        truth = truth @ Affine.scaling(-1, 1)
    found = register(POINTS, truth(POINTS))
    np.testing.assert_allclose(found.affine.values, truth.values, atol=1e-9)
    assert found.mean_off < 1e-9


def test_two_points_never_mirror() -> None:
    truth = Affine.rotation(90) @ Affine.scaling(2)
    found = register(POINTS[:2], truth(POINTS[:2])).affine
    np.testing.assert_allclose(found.values, truth.values, atol=1e-9)


def test_noise_is_shared_out_and_told() -> None:
    rng = np.random.default_rng(0)
    noisy = Affine.rotation(10)(POINTS) + rng.normal(0, 1, POINTS.shape)
    loose, free = register(POINTS, noisy), register(POINTS, noisy, "affine")
    assert 0 < free.mean_off < loose.mean_off < 2
    m = loose.affine.matrix[:2, :2]
    np.testing.assert_allclose(m.T @ m, np.eye(2) * loose.affine.length_factor**2, atol=1e-9)


def test_an_affine_map_shears() -> None:
    truth = Affine((1.2, 0.3, 4.0, -0.1, 0.8, 9.0))
    found = register(POINTS, truth(POINTS), "affine").affine
    np.testing.assert_allclose(found.values, truth.values, atol=1e-9)


def test_too_few_or_degenerate_landmarks_are_refused() -> None:
    with pytest.raises(StmlError, match="needs 3 pairs"):
        register(POINTS[:2], POINTS[:2], "affine")
    with pytest.raises(StmlError, match="in pairs"):
        register(POINTS[:2], POINTS[:3])
    line = np.column_stack([np.arange(4.0), np.arange(4.0)])
    with pytest.raises(StmlError, match="one line"):
        register(line, line, "affine")
    with pytest.raises(StmlError, match="one point"):
        register(np.ones((3, 2)), POINTS[:3])


def test_a_mirror_keeps_its_axis() -> None:
    flipped = mirror("horizontal", (10, 5))(np.array([[10.0, 1.0], [12.0, 5.0]]))
    np.testing.assert_allclose(flipped, [[10, 1], [8, 5]])
    np.testing.assert_allclose(mirror("vertical", (10, 5))(np.array([10.0, 1.0])), [10, 9])
