from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("timm", reason="timm is not installed")

from napari_stml.core.inputs import Inputs  # noqa: E402
from napari_stml.core.results import Heatmap, Result, Tiles  # noqa: E402
from napari_stml.models import attention as attend  # noqa: E402
from napari_stml.models import rollout as roll  # noqa: E402
from napari_stml.slide.encoders import network, presets  # noqa: E402
from napari_stml.slide.encoders.network import NetworkEncoder, build  # noqa: E402
from napari_stml.slide.encoders.presets import Preset  # noqa: E402
from napari_stml.slide.looking import Looking, agreement  # noqa: E402

TINY = Preset(
    "tiny", "vit_tiny_patch16_224", 32, pixels=32, um_per_px=2.0,
    options={"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2,
             "reg_tokens": 2},
)  # fmt: skip


@pytest.fixture
def encoder() -> NetworkEncoder:
    torch.manual_seed(1)
    return NetworkEncoder(build(TINY), TINY, "made", "class", batch=4)


def tiles(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def test_every_head_and_layer_comes_from_one_pass(encoder: NetworkEncoder) -> None:
    passes: list[int] = []
    encoder.model.norm.register_forward_hook(lambda *_: passes.append(1))
    look = Looking(encoder, tiles())
    found = {(layer, head): look.maps("rollout", layers=layer, head=head)
             for layer in (0, 1, 2) for head in (-1, 0, 1)}  # fmt: skip
    last = look.maps("last layer", layers=2, head=1)
    assert len(passes) == 1
    with attend.recorded(encoder.model, None) as weights, torch.inference_mode():
        encoder.model(encoder.tensor(tiles()))
    for (layer, head), maps in found.items():
        fused: Any = "mean" if head < 0 else head
        whole = roll.rollout(weights, fused, layer or None)[:, 0]
        expected = roll.relative(roll.on_grid(whole, (4, 4), 3))
        np.testing.assert_allclose(maps, expected, atol=1e-5)
    expected = roll.relative(roll.on_grid(weights[1][:, 1, 0], (4, 4), 3))
    np.testing.assert_allclose(last, expected, atol=1e-5)


def test_relevance_takes_one_pass_and_leaves_weights_for_the_rest(encoder: NetworkEncoder) -> None:
    passes: list[int] = []
    hook = encoder.model.norm.register_forward_hook(lambda *_: passes.append(1))
    look = Looking(encoder, tiles())
    relevance, rollout = look.maps("relevance"), look.maps("rollout")
    assert look.sinks().shape == (2, 4, 4)
    assert len(passes) == 1
    hook.remove()
    np.testing.assert_allclose(rollout, Looking(encoder, tiles()).maps("rollout"), atol=1e-5)

    row = attend.relevance_rows(
        encoder.model, encoder.tensor(tiles()), lambda f: f.square().sum(dim=1) / 2
    )
    expected = roll.relative(roll.on_grid(row, (4, 4), 3))
    np.testing.assert_allclose(relevance, expected, rtol=1e-4, atol=1e-6)


def test_occlusion_covers_the_patches_of_this_grid(encoder: NetworkEncoder) -> None:
    maps = Looking(encoder, tiles()).maps("occlusion")
    assert maps.shape == (2, 4, 4)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), 1, atol=1e-5)
    assert agreement(maps[0], maps[0]) == pytest.approx(1)
    assert np.isnan(agreement(maps[0], np.ones((4, 4))))


@pytest.fixture
def live(section: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The live update of a stored attention Run on a grid of tiles."""
    from napari_stml.analyses import load_all

    monkeypatch.setattr(network, "PRESETS", {**presets.PRESETS, "tiny": TINY})
    made = run("tiles", section(), pixels=32, um_per_px=2.0, quality=False)
    where = section(tiles=made.part("tiles"), settings=made.part("tile settings"))
    given = {"tiles": "tiles-1", "encoder": "tiny", "control": True, "sinks": False}
    done = run("attention", where, compare=True, **given)
    analysis = load_all()["attention"]()
    params = analysis.Params(**given)
    return done, analysis.live(done, Inputs((where,)), params), analysis.LiveParams


def test_a_click_shows_the_tile_as_it_stands_on_the_slide_map(live: Any) -> None:
    done, update, position = live
    stored = done.part("attention")
    tile = done.part("attention tiles")
    assert isinstance(tile, Tiles)
    assert set(tile.values) >= {"strongest patch", "sinks", "agreement with relevance"}
    centre = tuple((tile.xy[7] + tile.side / 2).tolist())
    at = position(place=centre)
    result: Result = update.update(at, None)
    shown = result.part("tile")
    assert isinstance(shown, Heatmap)
    assert shown.limits == stored.limits, "one scale for the tile and the slide"
    np.testing.assert_allclose(shown.affine([[0, 0]])[0], tile.xy[7], atol=1e-6)
    x, y = stored.affine.inverse()(tile.xy[7]).round().astype(int)
    np.testing.assert_allclose(shown.pixels, stored.pixels[y : y + 4, x : x + 4], atol=1e-4)
    assert "strongest patch" in update.readout(at)
    control = update.update(position(place=centre, control=True), None).part("tile")
    assert not np.allclose(control.pixels, shown.pixels)
    other = update.update(position(place=centre, head=31, layers=48), None).part("tile")
    assert np.isfinite(other.pixels).all(), "sliders reach further than this encoder: its last"


def test_the_threshold_empties_patches_and_no_place_shows_the_slide(live: Any) -> None:
    done, update, position = live
    whole = update.update(position(), None).part("attention")
    np.testing.assert_array_equal(whole.pixels, done.part("attention").pixels)
    some = update.update(position(threshold=1.0), None).part("attention")
    known = np.isfinite(some.pixels)
    assert 0 < known.sum() < np.isfinite(whole.pixels).sum()
    assert (some.pixels[known] >= 1).all()


def test_a_click_between_the_tiles_makes_a_tile_there(live: Any) -> None:
    _, update, position = live
    result = update.update(position(place=(20.0, 20.0)), None)
    middle = result.part("looked at").xy[0] + result.part("looked at").side / 2
    np.testing.assert_allclose(middle, [20, 20], atol=1)
