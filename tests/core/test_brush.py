from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_stml.core.brush import painted, strokes
from napari_stml.core.errors import StmlError

masks = arrays(np.uint8, (7, 9), elements=st.integers(0, 2))


@settings(deadline=None)
@given(masks, masks)
def test_what_was_painted_comes_back(before: np.ndarray, after: np.ndarray) -> None:
    kept = before.copy()
    np.testing.assert_array_equal(painted(before, strokes(before, after)), after)
    np.testing.assert_array_equal(before, kept)


def test_nothing_painted_is_nothing() -> None:
    mask = np.ones((4, 4), np.uint8)
    assert strokes(mask, mask.copy()) == ""


def test_a_stroke_over_a_large_slide_is_short() -> None:
    before = np.zeros((2500, 2500), np.uint8)
    after = before.copy()
    y, x = np.mgrid[:2500, :2500]
    after[np.hypot(x - 900, y - 1200) < 400] = 1
    assert len(strokes(before, after)) < 8000


def test_a_mask_of_noise_is_too_much() -> None:
    noise = np.random.default_rng(0).integers(0, 2, (2000, 2000), dtype=np.uint8)
    with pytest.raises(StmlError, match="too many"):
        strokes(np.zeros_like(noise), noise)


def packed(**content: object) -> str:
    return base64.b85encode(zlib.compress(json.dumps(content).encode())).decode()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ("nonsense!", "cannot be read"),
        (base64.b85encode(b"not compressed").decode(), "cannot be read"),
        (packed(shape=[3, 3], starts=[0], lengths=[1], values=[1]), "belong to a mask of"),
        (packed(shape=[4, 4], starts=[0], lengths=[99], values=[1]), "cannot be read"),
        (packed(shape=[4, 4], starts=[-1], lengths=[1], values=[1]), "cannot be read"),
        (packed(shape=[4, 4], starts=[0, 1], lengths=[1], values=[1]), "cannot be read"),
    ],
)
def test_changes_that_do_not_fit_are_refused(changes: str, match: str) -> None:
    with pytest.raises(StmlError, match=match):
        painted(np.zeros((4, 4), np.uint8), changes)
