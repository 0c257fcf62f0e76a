from __future__ import annotations

import numpy as np
import pytest

from napari_stml.slide.stain import (
    LIGHT,
    REFERENCE,
    Dyes,
    fit,
    fit_macenko,
    fit_reinhard,
    stained,
)


def mixture(n: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of two known dyes: many nearly pure, the rest mixed."""
    rng = np.random.default_rng(seed)
    dyes = np.array([[0.58, 0.72, 0.38], [0.18, 0.85, 0.50]])
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    share = rng.beta(0.25, 0.25, n)
    amount = rng.uniform(0.8, 1.8, n)
    amounts = np.column_stack([share, 1 - share]) * amount[:, None]
    rgb = LIGHT * np.exp(-amounts @ dyes) - 1
    return rgb.round().clip(0, 255).astype(np.uint8), dyes, amounts


def test_macenko_finds_known_dyes() -> None:
    rgb, dyes, amounts = mixture()
    found = fit_macenko(rgb)
    assert found is not None
    cosine = (found.vectors * dyes).sum(axis=1) / np.linalg.norm(found.vectors, axis=1)
    assert (cosine > 0.999).all(), "hematoxylin first"
    kept = stained(rgb)
    np.testing.assert_allclose(found.amounts(rgb)[kept], amounts[kept], atol=0.12)


def test_normalising_moves_to_the_reference() -> None:
    rgb, _, _ = mixture()
    found = fit_macenko(rgb)
    assert found is not None
    again = fit_macenko(found.normalised(rgb))
    assert again is not None
    unit = REFERENCE / np.linalg.norm(REFERENCE, axis=1, keepdims=True)
    cosine = (again.vectors * unit).sum(axis=1) / np.linalg.norm(again.vectors, axis=1)
    assert (cosine > 0.995).all()
    np.testing.assert_allclose(again.most, [1.97, 1.03], rtol=0.1)


def test_reinhard_leaves_glass_alone() -> None:
    rgb, _, _ = mixture(5000)
    found = fit_reinhard(rgb)
    assert found is not None
    picture = np.concatenate([rgb[:900], np.full((100, 3), 243, np.uint8)]).reshape(20, 50, 3)
    out = found.normalised(picture)
    assert (out[picture.min(axis=2) >= 240] == 243).all()
    assert (out != picture).any()


@pytest.mark.parametrize("method", ["macenko", "reinhard"])
@pytest.mark.parametrize("what", ["white", "black", "one colour", "few"])
def test_what_carries_no_two_dyes_is_refused(method: str, what: str) -> None:
    flat = {"white": 250, "black": 0, "one colour": 120}.get(what)
    pixels = mixture(50)[0] if flat is None else np.full((4000, 3), flat, np.uint8)
    assert fit(pixels, method) is None  # type: ignore[arg-type]


def test_equal_tiles_give_equal_dyes_anywhere() -> None:
    rgb = mixture(600)[0].reshape(20, 30, 3)
    dyes = Dyes(REFERENCE, np.ones(2))
    np.testing.assert_array_equal(dyes.amounts(rgb)[3:9, 4:8], dyes.amounts(rgb[3:9, 4:8]))
