"""Rollout and relevance against reference numbers (STML_ORACLES, niche/rollout)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="torch is not installed")

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@pytest.fixture(scope="module")
def cases(oracles: Path) -> list[dict[str, Any]]:
    folder = oracles / "niche" / "rollout"
    if not folder.is_dir():
        pytest.skip(f"{folder.name}/ is not among the reference numbers")
    settings = json.loads((folder / "rollout.json").read_text(encoding="utf-8"))
    with np.load(folder / "rollout.npz") as arrays:
        return [
            {**case, **{k.removeprefix(f"{case['name']}__"): arrays[k] for k in arrays.files
                        if k.startswith(f"{case['name']}__")}}
            for case in settings
        ]  # fmt: skip


def layers(case: dict[str, Any], name: str, dtype: str) -> list[Any]:
    return list(torch.from_numpy(case[name]).to(getattr(torch, dtype)))


def near(found: Any, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rollout_is_exact(cases: list[dict[str, Any]], dtype: str) -> None:
    from napari_stml.models.rollout import magnified, on_grid, rollout, rollout_row

    for case in cases:
        attention, atol = layers(case, "attention", dtype), TOLERANCE[dtype]
        assert case["attention"].shape[:3] == (case["layers"], case["batch"], case["heads"])
        whole = rollout(attention)
        near(whole, case["rollout"], atol)
        grid, prefix = tuple(case["grid"]), case["prefix_tokens"]
        for row in (whole[:, 0], rollout_row(attention)):
            cls = on_grid(row, grid, prefix)
            near(cls, case["cls_map"].reshape(cls.shape), atol)
            large = magnified(cls, case["pixels_per_patch"])
            near(large, case["upsampled_nearest"].reshape(large.shape), atol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_relevance_is_exact(cases: list[dict[str, Any]], dtype: str) -> None:
    from napari_stml.models.rollout import on_grid, relevance, relevance_row

    for case in cases:
        attention, gradient = layers(case, "attention", dtype), layers(case, "gradient", dtype)
        size = np.abs(case["relevance"]).max()
        atol = TOLERANCE[dtype] * max(1.0, size)
        whole = relevance(attention, gradient)
        near(whole, case["relevance"], atol)
        for row in (whole[:, 0], relevance_row(attention, gradient)):
            cls = on_grid(row, tuple(case["grid"]), case["prefix_tokens"])
            near(cls, case["relevance_cls_map"].reshape(cls.shape), atol)


def test_half_precision_keeps_the_map(cases: list[dict[str, Any]]) -> None:
    from napari_stml.models.rollout import on_grid, rollout, rollout_row

    for case in cases:
        attention = layers(case, "attention", "bfloat16")
        for row in (rollout(attention)[:, 0], rollout_row(attention)):
            cls = on_grid(row, tuple(case["grid"]), case["prefix_tokens"])
            expected = case["cls_map"].reshape(cls.shape)
            near(cls, expected, 2e-2 * expected.max())


def test_the_last_layer_alone_and_the_wrong_order(cases: list[dict[str, Any]]) -> None:
    from napari_stml.models.rollout import fused_heads, on_grid, rollout_row

    for case in cases:
        attention = layers(case, "attention", "float64")
        grid, prefix = tuple(case["grid"]), case["prefix_tokens"]
        last = on_grid(fused_heads(attention[-1])[:, 0], grid, prefix)
        near(last, case["last_layer_cls"].reshape(last.shape), 1e-12)
        ours = on_grid(rollout_row(attention), grid, prefix).numpy()
        wrong = case["wrong_order_cls"].reshape(ours.shape)
        assert np.abs(ours - wrong).max() > 1e-6
        turned = on_grid(rollout_row(attention[::-1]), grid, prefix)
        near(turned, wrong, 1e-12)
