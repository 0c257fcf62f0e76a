from __future__ import annotations

import pytest

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides.scale import aperio, from_objective, from_resolution, given, stated

DESCRIPTION = "Aperio Image Library v11\r\n100x80 Q=70|AppMag = 20|MPP = 0.4990|Left = 25.6"


def test_aperio():
    scale, guess = aperio(DESCRIPTION)
    assert scale == UmPerPx(0.499, 0.499, ScaleSource.VENDOR)
    assert guess == UmPerPx(0.5, 0.5, ScaleSource.OBJECTIVE)


def test_aperio_without_mpp_leaves_only_the_guess():
    assert aperio("Aperio|AppMag = 40") == (None, UmPerPx(0.25, 0.25, ScaleSource.OBJECTIVE))


@pytest.mark.parametrize(("per_unit", "unit"), [(72, "inch"), (96, "inch"), (0, "cm"), (1, "cm")])
def test_an_editors_default_is_not_believed(per_unit, unit):
    assert from_resolution(per_unit, per_unit, unit, ScaleSource.TAGS) is None


def test_x_and_y_stay_apart():
    assert from_resolution(20000, 25000, "cm", ScaleSource.TAGS) == UmPerPx(
        0.5, 0.4, ScaleSource.TAGS
    )


@pytest.mark.parametrize(
    ("value", "unit", "um"),
    [(0.25, "µm", 0.25), (250, "nm", 0.25), ("0.00025", "mm", 0.25), (0.5, "Micrometer", 0.5)],
)
def test_units(value, unit, um):
    scale = stated(value, value, ScaleSource.READER, unit=unit)
    assert scale is not None
    assert scale.x == pytest.approx(um)


@pytest.mark.parametrize("value", ["", None, "nan", "inf", 0, -1, "x"])
def test_what_is_no_number_is_unknown(value):
    assert stated(value, value, ScaleSource.VENDOR) is None
    assert from_objective(value) is None


def test_unknown_units_are_unknown():
    assert stated(1, 1, ScaleSource.READER, unit="unit") is None


def test_the_user_is_believed_even_outside_the_plausible_range():
    assert given(15.0) == UmPerPx(15, 15, ScaleSource.USER)
    assert given((0.5, 0.6)) == UmPerPx(0.5, 0.6, ScaleSource.USER)
