from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, save_npz

pytest.importorskip("torch", reason="torch is not installed")

from napari_stml.analyses._spacon.files import named_matrix
from napari_stml.analyses._spacon.live import ahead_name
from napari_stml.analyses.spacon import SpaCon, SpaConLiveParams, SpaConParams
from napari_stml.core.analysis import live_of, problems
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories, Inputs
from napari_stml.core.results import Graph, Model
from napari_stml.io import model_folder

QUICK = {"training": "none", "hidden": (32, 24, 16), "positions_ahead": 3, "neighbours": 20}


def ari(a: Any, b: Any) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


@pytest.fixture(scope="module")
def linked(toy: Any) -> Any:
    """Four modules that have nothing to do with the domains, and a matrix that knows them."""
    rng = np.random.default_rng(3)
    module = toy.array[:, 0] % 4
    alike = module[:, None] == module[None, :]
    strength = np.where(alike, rng.beta(6, 3, alike.shape), rng.beta(2, 9, alike.shape))
    strength *= rng.random(alike.shape) < np.where(alike, 0.4, 0.02)
    return toy.with_(columns={"module": Categories(module.astype(np.int32), tuple("abcd"))}), (
        strength.astype(np.float32)
    )


@pytest.fixture(scope="module")
def file(linked: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("links") / "strength.npy"
    np.save(path, linked[1])
    return path


@pytest.fixture(scope="module")
def done(linked: Any, file: Any, run: Any) -> Any:
    return run("spacon", linked[0], connections="file", file=str(file), compare="module", **QUICK)


def test_space_gives_domains_and_connections_modules(done: Any, toy: Any) -> None:
    module = toy.array[:, 0] % 4
    space, links = (done.part(ahead_name(s)).codes for s in (0.0, 1.0))
    assert ari(links, module) > 0.7
    assert ari(space, module) < 0.1
    assert ari(space, toy.domain) > ari(links, toy.domain) + 0.2


def test_what_a_run_leaves(done: Any) -> None:
    names = {part.name for parts in done.result.parts.values() for part in parts}
    assert {"feature_spa", "feature_con", "clusters", "stability", "model", "graphs"} <= names
    assert done.part("feature_con").values.shape == (256, 16)
    table = done.part("graphs").columns
    assert table["graph"] == ("tissue", "connections")
    assert (np.array(table["received, mean"]) > 1).all()
    curve = done.part("agreement-over-alpha").data
    assert curve["trained"][-1] > 0.7
    sheet = done.part("contact-sheet").data
    assert [p["value"] for p in sheet["panels"]] == [ahead_name(s) for s in (0, 0.5, 1)]


def test_the_slider(done: Any) -> None:
    live: Any = live_of(done.analysis, done.result, done.inputs, done.params)
    here = SpaConLiveParams(share=0.5)
    np.testing.assert_array_equal(
        live.update(here, None).part("clusters").codes, done.part(ahead_name(0.5)).codes
    )
    for alpha, share in ((0.0, 0.0), (1.0, 1.0)):
        typed = SpaConLiveParams(scale="alpha", alpha=alpha)
        codes = live.update(typed, None).part("clusters").codes
        np.testing.assert_array_equal(codes, done.part(ahead_name(share)).codes)
    between = SpaConLiveParams(share=0.8, resolution=0.5)
    result = live.update(between, None)
    assert problems(result, done.inputs) == []
    said = live.readout(between)
    assert said["alpha"].startswith("0.385")
    assert float(said["ARI with module"]) > 0.4
    assert len(live.grid()) == 6
    again: Any = live_of(done.analysis, done.result, done.inputs, done.params)
    np.testing.assert_array_equal(
        again.update(between, None).part("clusters").codes, result.part("clusters").codes
    )


def test_a_umap_follows_the_slider(done: Any) -> None:
    pytest.importorskip("umap", reason="umap is not installed")
    live: Any = live_of(done.analysis, done.result, done.inputs, done.params)
    charts, maps = [], []
    for share in (0.5, 0.6):
        result = live.update(SpaConLiveParams(share=share, picture=True), None)
        assert problems(result, done.inputs) == []
        charts.append(result.part("umap", ""))
        maps.append(result.part("umap_of_blend").values)
    assert charts[0].title != charts[1].title  # another title: it is drawn anew
    assert np.isfinite(maps[0]).all()
    moved = np.linalg.norm(maps[1] - maps[0], axis=1)
    assert np.median(moved) < np.ptp(maps[0], axis=0).max() / 2  # what is alike stays in its place
    same = live.update(SpaConLiveParams(share=0.6, resolution=0.5, picture=True), None)
    np.testing.assert_array_equal(same.part("umap_of_blend").values, maps[1])


def test_a_click_shows_the_links_of_a_spot(done: Any) -> None:
    live: Any = live_of(done.analysis, done.result, done.inputs, done.params)
    place = tuple(done.inputs.one.xy[40] + 3)
    shown = live.update(SpaConLiveParams(edges="tissue", place=place), None).part("links")
    assert isinstance(shown, Graph)
    ends = shown.matrix.tocoo()
    assert len(ends.data) > 3
    assert ((ends.row == 40) | (ends.col == 40)).all()


def test_training_lowers_the_error_and_keeps_the_model(toy: Any, run: Any) -> None:
    quick = {**QUICK, "training": "whole graph", "steps": 8, "rate": 1e-2}
    done = run("spacon", toy, **quick)
    errors = done.part("loss").data["error"]
    assert errors[-1] < errors[0]
    model = done.part("model")
    assert isinstance(model, Model)
    assert model.card["training"] == "whole graph"
    assert set(done.part("trained and untrained").columns["network"]) == {"trained", "untrained"}


def test_a_cancelled_training_goes_on(
    toy: Any, run: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path))
    quick = {**QUICK, "training": "sampled", "epochs": 3, "rate": 1e-3}
    whole = run("spacon", toy, **quick, seed=5)
    params = SpaConParams(**quick)
    analysis = SpaCon()
    inputs = Inputs((toy.section(analysis.needs(params)),), seed=5)
    steps = analysis.run(inputs, params)
    for progress in steps:
        if "epoch 3" in progress.text:
            steps.close()
            break
    assert any(model_folder.trainings_folder().iterdir())
    texts = []
    steps = analysis.run(inputs, params)
    while True:
        try:
            texts.append(next(steps).text)
        except StopIteration as end:
            result = end.value
            break
    assert not any("epoch 1" in t or "epoch 2" in t for t in texts)
    np.testing.assert_array_equal(
        result.part("feature_con").values, whole.part("feature_con").values
    )


def test_names_beside_the_matrix_decide_the_order(
    linked: Any, done: Any, run: Any, tmp_path: Any
) -> None:
    toy, strength = linked
    order = np.random.default_rng(1).permutation(256)
    path = tmp_path / "named.npz"
    np.savez(path, matrix=strength[order][:, order], names=toy.names[order].astype(str))
    again = run("spacon", toy, connections="file", file=str(path), compare="module", **QUICK)
    np.testing.assert_array_equal(again.part("clusters").codes, done.part("clusters").codes)
    np.savez(path, matrix=strength, names=np.array([f"other{i}" for i in range(256)]))
    with pytest.raises(StmlError, match="256 of 256 spots are not in the connection matrix"):
        run("spacon", toy, connections="file", file=str(path), **QUICK)


def test_a_scope_takes_its_rows_of_the_matrix(linked: Any, file: Any, run: Any) -> None:
    toy, _ = linked
    inside = toy.array[:, 0] < 12
    done = run("spacon", toy.with_(inside=inside), connections="file", file=str(file), **QUICK)
    codes = done.part("clusters").codes
    assert (codes[~inside] == -1).all()
    assert ari(done.part(ahead_name(1.0)).codes[inside], (toy.array[:, 0] % 4)[inside]) > 0.7


def test_parcels(linked: Any, run: Any, tmp_path: Any) -> None:
    toy, _ = linked
    between = np.where(np.eye(4) > 0, 1.0, 0.1)
    path = tmp_path / "parcels.npy"
    np.save(path, between)
    held = toy.with_(columns={**toy.columns, "wf": (toy.array[:, 0] % 5).astype(float)})
    done = run("spacon", held, connections="file", file=str(path), parcel="wf", **QUICK)
    assert any("48 spots belong to no row" in n for n in done.result.notes)


@pytest.mark.parametrize(
    ("params", "said"),
    [({"connections": "morphology"}, "needs features"),
     ({"connections": "signalling"}, "No ligand and receptor"),
     ({"connections": "stored matrix"}, "No matrix of connections")],
)  # fmt: skip
def test_views_that_are_not_there(params: Any, said: str, toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match=said):
        run("spacon", toy, **params, **QUICK)


def test_morphology_as_the_second_view(toy: Any, run: Any) -> None:
    look = np.eye(3)[toy.domain] * 8 + np.random.default_rng(0).normal(size=(256, 3))
    done = run("spacon", toy.with_(embeddings={"look": look}), connections="morphology",
               features="look", **QUICK)  # fmt: skip
    assert ari(done.part(ahead_name(1.0)).codes, toy.domain) > 0.4


def test_spots_without_counts_stay_without_a_cluster(toy: Any, run: Any) -> None:
    counts = toy.counts.copy()
    counts[[4, 9]] = 0
    done = run("spacon", toy.with_(counts=counts), **QUICK)
    assert (done.part("clusters").codes[[4, 9]] == -1).all()
    assert any("2 spots without any count" in n for n in done.result.notes)


def test_several_sections_in_one_table(toy: Any, run: Any) -> None:
    half = (toy.array[:, 0] >= 8).astype(np.int32)
    held = toy.with_(columns={"slice": Categories(half, ("front", "back"))})
    done = run("spacon", held, section_column="slice", section_order=("front", "back"), **QUICK)
    assert any("2 sections, 1 pairs" in n for n in done.result.notes)


def test_sections_side_by_side_join_in_their_stored_places(toy: Any, run: Any) -> None:
    half = (toy.array[:, 0] >= 8).astype(np.int32)
    names = {"slice": Categories(half, ("front", "back"))}
    depth = np.column_stack([half, toy.array[:, 1], toy.array[:, 0] % 8]).astype(float)
    held = toy.with_(columns=names, embeddings={"spatial": depth})
    asked = {"section_column": "slice", "plane": "coronal", "radius": 1.1, **QUICK}
    done = run("spacon", held, positions="spatial", **asked)
    said = next(n for n in done.result.notes if "between them" in n)
    assert int(said.split(" links between")[0].split(", ")[-1].replace(",", "")) >= 256
    canvas = done.part("places").values * [1, -1]
    np.testing.assert_allclose(canvas, done.inputs.one.xy)


def test_files(tmp_path: Any) -> None:
    import zarr

    square = np.eye(4, dtype=np.float32)
    save_npz(tmp_path / "sparse.npz", csr_matrix(square))
    found, names = named_matrix(tmp_path / "sparse.npz")
    np.testing.assert_array_equal(found.toarray(), square)
    assert names == ()
    root = zarr.open_group(tmp_path / "links.zarr", mode="w", zarr_format=2)
    root.create_array("strength", data=square)
    root.create_array("names", data=np.array(list("abcd")))
    found, names = named_matrix(tmp_path / "links.zarr")
    np.testing.assert_array_equal(found[:], square)
    assert names == tuple("abcd")
    (tmp_path / "text.csv").write_text("1,2")
    with pytest.raises(StmlError, match="is read from"):
        named_matrix(tmp_path / "text.csv")
