from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.results import View
from napari_stml.core.slide_views import formula
from napari_stml.core.stain import RUIFROK, Dyes


def test_a_picture_of_two_dyes_is_taken_apart_exactly() -> None:
    amounts = np.random.default_rng(0).uniform(0.2, 1.2, (40, 50, 2)).astype(np.float32)
    light = 240 * np.exp(-(amounts @ RUIFROK.astype(np.float32))) - 1
    rgb = np.clip(np.round(light), 0, 255).astype(np.uint8)
    numbers = {"dyes": tuple(RUIFROK.ravel().tolist()), "most": (1.2, 1.2)}
    for i, name in enumerate(("hematoxylin", "eosin")):
        seen = formula(View(name, name, numbers))
        np.testing.assert_allclose(seen.seen(rgb), amounts[:, :, i], atol=0.03)
        assert not seen.rgb
    left = formula(View("residual", "residual", numbers)).seen(rgb)
    assert left.max() < 0.1
    ink = rgb.copy()
    ink[:5, :5] = (20, 20, 250)
    assert formula(View("residual", "residual", numbers)).seen(ink)[:5, :5].min() > 0.3
    painted = formula(View("macenko", "macenko", numbers)).seen(rgb)
    np.testing.assert_array_equal(painted, Dyes(RUIFROK, np.array([1.2, 1.2])).normalised(rgb))
    with pytest.raises(StmlError, match="not known here"):
        formula(View("x", "magic"))


@pytest.mark.parametrize("dyes", ["fitted", "fixed"])
def test_views_of_a_slide(section: Any, run: Any, painted: Any, dyes: str) -> None:
    done = run("stain-views", section(), dyes=dyes)
    parts = {p.name: p for p in done.parts["toy"]}
    assert list(parts)[:4] == ["hematoxylin", "eosin", "residual", "macenko"]
    hematoxylin = formula(parts["hematoxylin"]).seen(painted[0])
    eosin = formula(parts["eosin"]).seen(painted[0])
    nuclei = (painted[0][:, :, 0] < 120) & painted[1]
    assert hematoxylin[nuclei].mean() > 3 * hematoxylin[painted[1] & ~nuclei].mean()
    assert eosin[painted[1] & ~nuclei].mean() > eosin[~painted[1]].mean() + 0.1
    assert any(dyes in n for n in done.notes)
    assert run("stain-views", section(), normalised=False).parts["toy"][-1].name == "residual"
