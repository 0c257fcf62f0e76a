"""Training and prediction of expression on a small stained picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

pytest.importorskip("torch", reason="torch is not installed")

from napari_stml.analyses import load_all
from napari_stml.core.analysis import finish, problems
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Inputs, Matrix2D
from napari_stml.core.results import SHARED, Heatmap, Tiles
from napari_stml.core.scope import Scope
from napari_stml.methods.expression_models.fitting import Epoch, Watched
from napari_stml.methods.expression_models.samples import Slide
from napari_stml.methods.expression_models.scores import scored
from napari_stml.methods.expression_models.seeing import seen_by
from napari_stml.methods.expression_models.stored import read
from napari_stml.models.tile_vit import TileViT

GENES = ("COL1A1", "FN1", "VIM", "SPARC", "LUM", "ALDOA", "PGK1", "ENO1", "LDHA", "STAT1", "ISG15",
         "FLAT")  # fmt: skip
QUICK: dict[str, Any] = {"genes": "markers", "named": GENES[:-1], "epochs": 2}


@pytest.fixture
def measured(section: Any, painted: Any) -> Any:
    """Counts that follow how dark the tissue is about each spot."""

    def make(seed: int = 0, **more: Any) -> Any:
        made = section(**more)
        xy = made.xy
        dark = np.array([255 - painted[0][int(y) - 20 : int(y) + 20, int(x) - 20 : int(x) + 20]
                         .mean() for x, y in xy]) / 40  # fmt: skip
        slope = np.linspace(-0.6, 0.6, len(GENES) - 1)
        rate = 3 * np.exp(dark[:, None] * slope)
        counts = np.random.default_rng(seed).poisson(rate)
        counts = np.column_stack([counts, np.zeros(len(xy), dtype=int)])
        table = Matrix2D(csr_matrix(counts.astype(np.float32)), GENES)
        return replace(made, data={**made.data, "counts": table})

    return make


def train(sections: Any, **params: Any) -> Any:
    analysis = load_all()["train-expression"]()
    sections = sections if isinstance(sections, tuple) else (sections,)
    inputs = Inputs(sections)
    steps = analysis.run(inputs, analysis.Params(**{**QUICK, **params}))
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            result = end.value
            break
    assert problems(result, inputs) == []
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    return result, seen


def predict(section: Any, model: Any = None, **params: Any) -> Any:
    analysis = load_all()["predict-expression"]()
    if model is not None:
        section = replace(section, data={**section.data, "model": model})
        params = {"model": "train-expression-1", **params}
    inputs = Inputs((section,))
    result = finish(analysis.run(inputs, analysis.Params(**params)))
    assert problems(result, inputs) == []
    return result


@pytest.mark.parametrize("name", ["train-expression", "predict-expression"])
def test_both_are_found_said_in_words_and_follow_the_preferred_device(name: str) -> None:
    analysis = load_all()[name]
    assert analysis.uses_gpu
    for field, info in analysis.Params.model_fields.items():
        assert info.title, field
        assert (info.description or "").rstrip().endswith("."), field


def test_tiles_are_judged_alone_as_among_all() -> None:
    rng = np.random.default_rng(0)
    slides = [
        Slide(n, rng.random((9, 2)), None, rng.integers(0, 255, (9, 64, 64, 3), dtype=np.uint8))
        for n in "ab"
    ]
    wanted = [rng.normal(size=(9, 3)).astype(np.float32) for _ in slides]
    masks = [np.arange(9) % 2 == 0, np.zeros(9, dtype=bool)]
    net = TileViT(3).eval()
    watched = Watched(slides, wanted, masks)
    alone = watched.alone()
    assert [len(s) for s in alone.slides] == [5]
    r = [
        scored([seen_by("tile vit", net, s)[0] for s in w.slides], w.wanted, w.masks).r
        for w in (watched, alone)
    ]
    np.testing.assert_allclose(*r, atol=1e-5)


@pytest.mark.parametrize(
    "network", ["ridge", "reduced rank", "pls", "mean", "tile vit", "stf", "attention mil",
                "transmil"],
)  # fmt: skip
def test_every_model_is_trained_scored_and_predicts_what_it_did(
    measured: Any, network: str
) -> None:
    section = measured()
    result, _ = train(section, network=network)
    table, model = result.part("scores"), result.part("model")
    assert set(table.columns) >= {"gene", "r", "squared error", "variance ratio", "gain"}
    assert model.card["genes"] == list(GENES[:-1])
    assert set(model.card["scores"]) >= {"held-out mean r", "gain", "95 % interval"}
    verdict = [n for n in result.notes if "held-out mean r" in n]
    assert len(verdict) == 1
    assert ("ridge" in verdict[0]) != (network == "ridge" and "mean:" not in verdict[0])
    again = predict(section, model, compare=True)
    np.testing.assert_array_equal(again.part("predicted").values, result.part("predicted").values)
    gap = again.part("predicted").values - again.part("measured").values
    np.testing.assert_allclose(again.part("difference").values, gap, atol=1e-5)


def test_ridge_finds_what_darkness_tells(measured: Any) -> None:
    result, _ = train(measured(), network="ridge")
    assert result.part("model").card["scores"]["held-out mean r"] > 0.2
    assert "beats mean" in result.notes[0]


def test_a_training_is_repeated_bit_by_bit_and_goes_on_where_it_stopped(measured: Any) -> None:
    section = measured()
    whole, _ = train(section, network="tile vit", epochs=4, resume=False)
    twice, _ = train(section, network="tile vit", epochs=4, resume=False)
    expected = whole.part("predicted").values
    np.testing.assert_array_equal(twice.part("predicted").values, expected)

    analysis = load_all()["train-expression"]()
    params = analysis.Params(**{**QUICK, "network": "tile vit", "epochs": 4})
    steps = analysis.run(Inputs((section,)), params)
    for progress in steps:
        if progress.text.startswith("epoch 1 "):
            break
    steps.close()  # what a cancel does

    from napari_stml.io.model_folder import trainings_folder

    (folder,) = trainings_folder().iterdir()
    checkpoint = predict(section, folder=str(folder))
    assert np.isfinite(checkpoint.part("predicted").values).all()
    resumed, seen = train(section, network="tile vit", epochs=4)
    epochs = [p.text for p in seen if p.text.startswith("epoch")]
    assert epochs[0].startswith("epoch 2")
    np.testing.assert_array_equal(resumed.part("predicted").values, expected)


def test_live_curves_tell_of_collapse(measured: Any) -> None:
    result, seen = train(measured(), network="stf", epochs=3)
    curves = [dict(p.curves) for p in seen if p.curves]
    assert len(curves) == 3
    names = {"loss", "r, stopping spots", "variance ratio", "likeness of pathway tokens"}
    assert all(set(c) == names and np.isfinite([*c.values()]).all() for c in curves)
    chart = result.part("training")
    assert names <= set(chart.data)
    assert "one" in Epoch(9, 0.1, 0.2, 0.5, 0.95).collapsed()
    assert "flat" in Epoch(9, 0.1, 0.2, 0.001, 0.1).collapsed()
    assert not Epoch(9, 0.1, 0.2, 0.5, 0.1).collapsed()


def test_a_network_corrects_its_start_and_ends_no_worse_on_its_stopping_spots(
    measured: Any,
) -> None:
    section = measured()
    result, _ = train(section, network="tile vit", start="ridge", epochs=2)
    model = result.part("model")
    assert model.card["start"]["chosen"].startswith("penalty")
    assert any("corrects a ridge" in n for n in result.notes)
    again = predict(section, model)
    np.testing.assert_array_equal(again.part("predicted").values, result.part("predicted").values)
    started = read(model.card, model.tensors, "here").start
    assert started is not None
    dense = predict(section, model, where="grid", step_um=60.0)
    assert any(isinstance(p, Tiles) for p in dense.parts["toy"])
    bare = {k: v for k, v in model.tensors.items() if k != "start.offset"}
    with pytest.raises(StmlError, match=r"missing: start\.offset"):
        predict(section, replace(model, tensors=bare))
    with pytest.raises(StmlError, match="linear start"):
        train(section, network="stf", loss="zinb", start="ridge")


def test_an_stf_learns_from_patches_and_from_means_of_windows(measured: Any) -> None:
    section = measured()
    patches, _ = train(section, network="stf", supervision="patches", neighbours=4)
    again = predict(section, patches.part("model"))
    np.testing.assert_array_equal(again.part("predicted").values, patches.part("predicted").values)
    with pytest.raises(StmlError, match="never the slide"):
        predict(section, patches.part("model"), explain="attention")
    means, _ = train(section, network="stf", supervision="whole slides", return_attention=True)
    assert any("only means of windows" in n for n in means.notes)
    assert means.part("pathways look at spots").values.shape[1] == 50
    assert "start" not in means.part("model").card


def test_a_grid_between_spots_and_a_slide_without_any(measured: Any, section: Any) -> None:
    result, _ = train(measured(), network="tile vit")
    model = result.part("model")
    dense = predict(measured(), model, where="grid", step_um=50.0)
    tiles = next(p for p in dense.parts["toy"] if isinstance(p, Tiles))
    assert set(GENES[:-1]) <= set(tiles.values)
    alone = predict(section(spots=False), model, step_um=60.0, where="grid", genes=("VIM",))
    (heatmap,) = [p for p in alone.parts["toy"] if isinstance(p, Heatmap)]
    assert heatmap.name == "predicted VIM"
    assert 0.2 < np.isfinite(heatmap.pixels).mean() < 1
    live = load_all()["predict-expression"]().live(alone, None)
    shown = live.update(type(live).__init__ and load_all()["predict-expression"].LiveParams(), None)
    assert shown.part("gene").pixels.shape == heatmap.pixels.shape


def test_what_a_network_looked_at(measured: Any) -> None:
    section = measured()
    vit, _ = train(section, network="tile vit")
    attention = predict(section, vit.part("model"), explain="attention").part("attention")
    assert np.nanmin(attention.pixels) >= 0
    relevance = predict(section, vit.part("model"), explain="relevance", gene="LUM")
    assert isinstance(relevance.part("relevance for LUM"), Heatmap)
    stf, _ = train(section, network="stf")
    looks = predict(section, stf.part("model"), explain="attention")
    share = looks.part("pathways look at spots").values
    assert share.shape[1] == 50
    assert (looks.part("pathway rollout").values >= 0).all()


def test_several_networks_give_an_uncertainty(measured: Any) -> None:
    result, _ = train(measured(), network="tile vit", members=2, samples=2)
    assert result.part("model").card["members"] == 2
    assert (result.part("uncertainty").values > 0).all()


def test_sections_and_patients_are_left_out_whole(measured: Any) -> None:
    sections = tuple(replace(measured(seed=i), section=n) for i, n in enumerate(("A1", "A2", "B1")))
    result, _ = train(sections, network="ridge", split="one patient", left_out="B")
    parts = {name: np.unique(next(p for p in found if p.name == "part").codes)
             for name, found in result.parts.items() if name != SHARED}  # fmt: skip
    assert set(parts["B1"]) == {2}
    assert 2 not in parts["A1"]
    with pytest.raises(StmlError, match="at least two"):
        train(sections[:2], network="ridge", split="one patient")


def test_outside_the_scope_nothing_is_learned_or_said(measured: Any) -> None:
    section = measured()
    inside = section.xy[:, 0] < 560
    scope = Scope("selection", tuple(section.names[inside]), title="left")
    result, _ = train(replace(section, inside=inside, scope=scope), network="ridge")
    values = result.part("predicted").values
    assert np.isnan(values[~inside]).all()
    assert np.isfinite(values[inside]).all()


def test_written_models_are_read_strictly(measured: Any, tmp_path: Any) -> None:
    import json

    from safetensors.numpy import load_file, save_file

    section = measured()
    folder = tmp_path / "model"
    result, _ = train(section, network="tile vit", folder=str(folder))
    found = predict(section, folder=str(folder))
    np.testing.assert_array_equal(found.part("predicted").values, result.part("predicted").values)
    whole = load_file(folder / "model.safetensors")
    key = "members.0.head.weight"
    save_file({k: v for k, v in whole.items() if k != key}, folder / "model.safetensors")
    with pytest.raises(StmlError, match=r"missing: head\.weight"):
        predict(section, folder=str(folder))
    save_file({**whole, "members.0.extra": whole[key]}, folder / "model.safetensors")
    with pytest.raises(StmlError, match="unknown: extra"):
        predict(section, folder=str(folder))
    save_file(whole, folder / "model.safetensors")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "genes": card["genes"][:-1]}))
    with pytest.raises(StmlError, match="names 10 genes"):
        predict(section, folder=str(folder))
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(StmlError, match="cannot be read"):
        predict(section, folder=str(folder))
    with pytest.raises(StmlError, match="holds no model"):
        predict(section, folder=str(tmp_path))


def test_what_cannot_be_used_is_named(measured: Any) -> None:
    section = measured()
    ridge, _ = train(section, network="ridge")
    model = ridge.part("model")
    with pytest.raises(StmlError, match="does not predict MYC"):
        predict(section, model, genes=("MYC",))
    short = replace(model, tensors={**model.tensors, "features.mean": np.zeros(5, np.float32)})
    with pytest.raises(StmlError, match="takes 5 features per spot, and these have 246"):
        predict(section, short)
    other = replace(section, data={**section.data, "counts": Matrix2D(
        section.data["counts"].values, tuple(f"X{i}" for i in range(len(GENES))))})  # fmt: skip
    with pytest.raises(StmlError, match="None of these 11 genes"):
        predict(other, model, compare=True)
    few = np.arange(len(section.names)) < 20
    with pytest.raises(StmlError, match="at least 40"):
        train(replace(section, inside=few), network="ridge")
    with pytest.raises(StmlError, match="varies"):
        train(section, network="ridge", named=("FLAT",))
    partly, _ = train(section, network="ridge", named=("VIM", "FLAT"))
    assert any("do not vary" in n and "FLAT" in n for n in partly.notes)
    with pytest.raises(StmlError, match="zinb"):
        train(section, network="tile vit", loss="zinb")
    zinb, _ = train(section, network="stf", loss="zinb")
    assert zinb.part("model").card["unit"] == "counts"


def test_features_that_are_not_numbers_are_refused(measured: Any) -> None:
    from napari_stml.core.results import Matrix, Table

    section = measured()
    values = np.ones((len(section.names), 4), dtype=np.float32)
    values[3, 1] = np.nan
    said = Table("tile settings", {"quantity": ("encoder",), "value": ("uni",)})
    data = {**section.data, "features": Matrix("features", values),
            "feature settings": said}  # fmt: skip
    with pytest.raises(StmlError, match="not numbers"):
        train(replace(section, data=data), network="ridge", features="features-1")
