from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("timm", reason="timm is not installed")
from safetensors.torch import save_file  # noqa: E402

from napari_stml.core.errors import StmlError  # noqa: E402
from napari_stml.core.geometry import Affine  # noqa: E402
from napari_stml.core.results import Heatmap, Matrix  # noqa: E402
from napari_stml.slide.encoders import network, presets  # noqa: E402
from napari_stml.slide.encoders.network import NetworkEncoder, build, network_encoder  # noqa: E402
from napari_stml.slide.encoders.presets import Preset  # noqa: E402

TINY = Preset(
    "tiny", "vit_tiny_patch16_224", 32, pixels=32, um_per_px=2.0,
    options={"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2,
             "reg_tokens": 2},
)  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A preset of a small transformer, and a file of weights for it."""
    monkeypatch.setattr(network, "PRESETS", {**presets.PRESETS, "tiny": TINY})
    monkeypatch.setenv("STML_WEIGHTS", str(tmp_path))
    torch.manual_seed(1)
    save_file(build(TINY).state_dict(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def tiles(n: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def test_outputs_are_what_they_say() -> None:
    one = {o: network_encoder("tiny", output=o, batch=4) for o in
           ("class", "mean", "class and mean", "default")}  # fmt: skip
    rows = {o: e(tiles()) for o, e in one.items()}
    np.testing.assert_array_equal(rows["class"], rows["default"])
    np.testing.assert_allclose(
        rows["class and mean"], np.hstack([rows["class"], rows["mean"]]), atol=1e-6
    )
    pixels = (torch.from_numpy(tiles()).permute(0, 3, 1, 2) / 255 - one["class"]._mean / 255) / (
        one["class"]._sd / 255
    )
    with torch.inference_mode():
        tokens = one["class"].model.forward_features(pixels.float())
    np.testing.assert_allclose(rows["class"], tokens[:, 0], atol=1e-4)
    np.testing.assert_allclose(one["class"].patch_tokens(tiles()), tokens[:, 3:], atol=1e-4)
    assert tokens.shape[1] == 1 + 2 + 16


def test_the_last_batch_is_filled_up_and_changes_nothing() -> None:
    encode = network_encoder("tiny", batch=4)
    seen: list[int] = []
    encode.model.register_forward_pre_hook(lambda m, i: seen.append(len(i[0])))
    encode.model.patch_embed.register_forward_hook(lambda m, i, o: seen.append(len(i[0])))
    rows = encode(tiles(9))
    assert set(seen) == {4}
    np.testing.assert_array_equal(rows[:4], encode(tiles(9)[:4]))


def test_short_memory_halves_the_batch() -> None:
    encode = network_encoder("tiny", batch=8)
    whole = encode(tiles(8))
    features = encode.features

    def short(images: Any) -> Any:
        if len(images) > 2:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return features(images)

    encode.features = short  # type: ignore[method-assign]
    np.testing.assert_allclose(encode(tiles(8)), whole, atol=1e-5)
    assert encode.batch == 2
    encode.features = lambda images: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError("no"))  # type: ignore
    with pytest.raises(StmlError, match="One tile alone"):
        encode(tiles(2))


def test_wrong_sizes_and_lengths_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = network_encoder("tiny")
    with pytest.raises(StmlError, match="takes tiles of 32 px and got 40 px"):
        encode(np.zeros((1, 40, 40, 3), np.uint8))
    wrong = Preset(**{**vars(TINY), "length": 99})
    with pytest.raises(StmlError, match="gives 32 features where 99"):
        NetworkEncoder(build(TINY), wrong, "x", "class")
    if not torch.cuda.is_available():
        with pytest.raises(StmlError, match="no device 'cuda'"):
            network_encoder("tiny", device="cuda")


def test_every_patch_is_a_place_of_its_own(section: Any, run: Any) -> None:
    made = run("tiles", section(), pixels=32, um_per_px=2.0, quality=False)
    where = section(tiles=made.part("tiles"), settings=made.part("tile settings"))
    part = run("features", where, tiles="tiles-1", encoder="tiny", output="patches",
               batch=4).part("features")  # fmt: skip
    tile = made.part("tiles")
    assert len(part.xy) == 16 * len(tile.xy)
    assert part.side == tile.side / 4
    np.testing.assert_allclose(part.xy[16 * 3 + 6], tile.xy[3] + [16, 8])
    pixels = where["pixels"].slide.read(*tile.xy[3].astype(int).tolist(), 0, 32, 32)[None]
    expected = network_encoder("tiny").patch_tokens(np.ascontiguousarray(pixels))[0]
    found = np.column_stack([part.values[f"f{i:04d}"] for i in range(32)])
    np.testing.assert_allclose(found[48:64], expected, atol=1e-4)
    with pytest.raises(StmlError, match=r"resnet50.*no patches"):
        run("features", section(), encoder="resnet50", control=True, output="patches")


def test_features_of_spots_with_weights(section: Any, run: Any) -> None:
    done = run("features", section(), encoder="tiny")
    part = done.part("features")
    assert isinstance(part, Matrix)
    assert part.values.shape == (121, 32)
    again = run("features", section(), encoder="tiny")
    np.testing.assert_array_equal(again.part("features").values, part.values)
    assert any("taken from an earlier" in n for n in again.notes)
    control = run("features", section(), encoder="tiny", control=True)
    assert any("RANDOM" in n for n in control.notes)
    assert not np.allclose(control.part("features").values, part.values)


@pytest.mark.parametrize("method", ["rollout", "last layer", "relevance"])
def test_attention_over_the_slide(section: Any, run: Any, method: str) -> None:
    made = run("tiles", section(), pixels=32, um_per_px=2.0, quality=False)
    where = section(tiles=made.part("tiles"), settings=made.part("tile settings"))
    done = run("attention", where, tiles="tiles-1", encoder="tiny", method=method, sinks=False)
    heatmap = done.part("attention")
    assert isinstance(heatmap, Heatmap)
    assert heatmap.affine.length_factor == pytest.approx(8)
    part = made.part("tiles")
    n = len(part.xy)
    assert np.isfinite(heatmap.pixels).sum() == n * 16
    first = heatmap.affine.inverse()(part.xy[5]).round().astype(int)
    tile = heatmap.pixels[first[1] : first[1] + 4, first[0] : first[0] + 4]
    assert tile.mean() == pytest.approx(1, abs=1e-4), "every tile has the same scale"
    control = run("attention", where, tiles="tiles-1", encoder="tiny", method=method, sinks=False,
                  control=True)  # fmt: skip
    assert not np.allclose(control.part("attention").pixels, heatmap.pixels, equal_nan=True)
    assert any("CONTROL" in n for n in control.notes)


def test_attention_follows_a_turned_slide(section: Any, run: Any) -> None:
    turned = section(affine=Affine.translation(10, 20) @ Affine.scaling(0.5))
    done = run("attention", turned, encoder="tiny", sinks=False)
    assert done.part("attention").affine.length_factor == pytest.approx(4)


def test_what_has_no_rollout_says_so(section: Any, run: Any) -> None:
    with pytest.raises(StmlError, match=r"resnet50.*no attention"):
        run("attention", section(), encoder="resnet50", control=True)
    with pytest.raises(StmlError, match="no head 7"):
        run("attention", section(), encoder="tiny", head=7)
    made = run("tiles", section(), pixels=64, quality=False)
    where = section(tiles=made.part("tiles"), settings=made.part("tile settings"))
    with pytest.raises(StmlError, match="these have 64"):
        run("attention", where, tiles="tiles-1", encoder="tiny")


def test_torch_is_loaded_only_where_it_is_needed() -> None:
    code = (
        "import sys; from napari_stml.analyses import load_all; load_all();"
        "import napari_stml.slide.encoders.network, napari_stml.slide.encoders.weights;"
        "sys.exit(str({'torch', 'timm', 'safetensors'} & set(sys.modules) or '') or 0)"
    )
    path = str(Path(network.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
import numpy as np, torch
torch.set_num_threads(1)
from pathlib import Path
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.slides import open_slide
from napari_stml.slide.brightfield import Look
from napari_stml.slide.embedding import Work, embed
from napari_stml.slide.encoders.network import NetworkEncoder, build
from napari_stml.slide.encoders.presets import Preset
from napari_stml.slide.grid import Canvas, grid_over

kill_after, cache, out = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
preset = Preset("tiny", "vit_tiny_patch16_224", 32, pixels=32, options=dict(
    img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2))
torch.manual_seed(1)
encode = NetworkEncoder(build(preset), preset, "w", "class", batch=8)
slide = open_slide({picture!r}, um_per_px=2.0)
canvas = Canvas(slide.width, slide.height, UmPerPx.square(2.0, ScaleSource.USER))
work = Work(slide, grid_over(canvas, 32, 2.0), Look(), batch=8, threads=2, cache=cache)
steps = embed(work, encode)
for n in range(10**9):
    if n == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        next(steps)
    except StopIteration as end:
        np.save(out, end.value.features)
        print(end.value.computed)
        break
"""


def test_killed_and_resumed_gives_the_same_bits(painted: Any, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.fromarray(painted[0][:320, :320]).save(picture)
    path = str(Path(network.__file__).parents[3])
    code = KILLED.format(path=[path], picture=str(picture))

    def go(kill_after: int, name: str) -> subprocess.CompletedProcess[str]:
        words = [str(kill_after), str(tmp_path / name), str(tmp_path / f"{name}.npy")]
        return subprocess.run([sys.executable, "-c", code, *words], capture_output=True,
                              text=True, check=False)  # fmt: skip

    assert go(-1, "whole").stdout.strip() == "100"
    assert go(6, "killed").returncode != 0
    resumed = go(-1, "killed")
    assert resumed.stdout.strip() == str(100 - 5 * 8), resumed.stderr
    whole, again = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "killed"))
    np.testing.assert_array_equal(whole, again)
