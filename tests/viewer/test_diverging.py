from __future__ import annotations

import numpy as np
import pandas as pd

from napari_stml.viewer.shown import DIVERGING, shown_of


def test_a_difference_is_shown_about_zero() -> None:
    values = pd.Series(np.linspace(-1.0, 3.0, 50))
    values.attrs["scale"] = "diverging"
    scale = shown_of("difference", values).scale
    assert scale is not None
    assert scale.name == DIVERGING
    assert scale.low == -scale.high < 0
    plain = shown_of("plain", pd.Series(np.linspace(-1.0, 3.0, 50))).scale
    assert plain is not None
    assert plain.name == "viridis"
