"""A small stained picture, as a slide in memory and as a section."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.core.inputs import Inputs, SectionInputs
from napari_stml.core.scope import Scope
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.slides.array import ArraySlide

UM = 2.0
SIZE = 800


def paint(size: int = SIZE, um: float = UM, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Stroma with nuclei, a corner of fat, glass around; and where tissue truly is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    tissue = np.hypot(x * 1.2, y) < 0.36 + 0.02 * np.sin(7 * np.arctan2(y, x))
    picture = np.full((size, size, 3), (243.0, 241.0, 245.0))
    pink = np.array([222.0, 158.0, 188.0]) + 10 * ndimage.gaussian_filter(
        rng.normal(size=(size, size)), 4 / um
    )[:, :, None] * np.array([20.0, 30.0, 20.0])
    picture[tissue] = pink[tissue]
    dots = ndimage.gaussian_filter(rng.normal(size=(size, size)), 5 / um)
    dense = x > 0
    nuclei = tissue & (dots > np.where(dense, 0.6, 1.6) * dots.std())
    picture[nuclei] = (92, 62, 140)
    fat = tissue & (y > 0.18)
    net = (np.arange(size) * um % 80 < 5)[:, None] | (np.arange(size) * um % 80 < 5)[None]
    picture[fat] = (242, 238, 243)
    picture[fat & net] = (226, 180, 205)
    picture += rng.normal(scale=1.5, size=picture.shape)
    return picture.clip(0, 255).astype(np.uint8), tissue


@pytest.fixture(scope="session")
def painted() -> tuple[np.ndarray, np.ndarray]:
    return paint()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def slide(painted: tuple[np.ndarray, np.ndarray]) -> ArraySlide:
    return ArraySlide(painted[0], um_per_px=UmPerPx.square(UM, ScaleSource.USER))


@pytest.fixture
def section(slide: ArraySlide) -> Any:
    """Make a section of the picture with a square array of spots; ``data`` adds needs."""

    def make(
        *, spots: bool = True, affine: Affine | None = None, inside: Any = None,
        scope: Scope | None = None, **data: Any,
    ) -> SectionInputs:  # fmt: skip
        placed = PlacedSlide(slide, affine or Affine())
        steps = np.arange(150.0, 700.0, 50.0)
        x, y = (a.ravel() for a in np.meshgrid(steps, steps))
        xy = np.column_stack([x, y]) if spots else np.empty((0, 2))
        xy = placed.affine(xy) if spots else xy
        names = np.array([f"s{i}" for i in range(len(xy))], dtype=object)
        seen = np.ones(len(xy), dtype=bool) if inside is None else inside
        scale = UM / placed.affine.length_factor
        return SectionInputs(
            "toy", names, xy, seen, scope or Scope(), UmPerPx.square(scale, ScaleSource.USER),
            data={"pixels": placed, **data},
        )  # fmt: skip

    return make


@pytest.fixture
def run() -> Any:
    """Run an analysis to its end and check it against the contract."""
    from napari_stml.analyses import load_all
    from napari_stml.core.analysis import finish, problems

    def run(name: str, section: SectionInputs, /, **params: Any) -> Any:
        analysis = load_all()[name]()
        inputs = Inputs((section,))
        result = finish(analysis.run(inputs, analysis.Params(**params)))
        assert problems(result, inputs) == []
        assert result.part(result.shows)
        return result

    return run
