"""The niche analyses on a section of three bands, with what users get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.analyses import load_all
from napari_stml.analyses._niche.tissue import tissues
from napari_stml.core.analysis import finish, problems
from napari_stml.core.charts import Chart
from napari_stml.core.errors import MissingScaleError, StmlError
from napari_stml.core.inputs import Categories, Inputs, Region
from napari_stml.core.results import SHARED, Labels

if TYPE_CHECKING:
    from pathlib import Path

NICHES: dict[str, Any] = {"column": "domain", "niches": 3, "guide": False, "shuffles": 3}


def ari(a: Any, b: Any) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


def mixed(toy: Any) -> Any:
    """The toy with proportions: mostly the domain's own kind."""
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(3), len(toy.names)) * 0.4 + np.eye(3)[toy.domain] * 0.6
    return toy.with_(embeddings={"p": share})


@pytest.mark.parametrize(
    "more",
    [
        {}, {"around": "nearest", "k": 20}, {"around": "radius", "radius": 220},
        {"weights": "equal"}, {"way": "mixture"}, {"way": "mini-batch"},
        {"smooth": 1}, {"smooth": 1, "weights": "equal"},
    ],
)  # fmt: skip
def test_bands_are_niches(more: dict[str, Any], toy: Any, run: Any) -> None:
    done = run("niches", toy, **{**NICHES, **more})
    labels = done.part("niches")
    assert ari(labels.codes, toy.domain) > 0.75
    shares = np.asarray(done.part("composition").values)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (np.asarray(done.part("perplexity").values) >= 1 - 1e-5).all()
    assert {c.name for c in done.charts} >= {"niche components", "co-localisation", "niche sizes"}


def test_proportions_make_the_same_niches_and_split_their_entropy(toy: Any, run: Any) -> None:
    done = run("niches", mixed(toy), **{**NICHES, "of": "proportions", "proportions": "p"})
    assert ari(done.part("niches").codes, toy.domain) > 0.9
    between = np.asarray(done.part("entropy between spots").values)
    assert (between > -1e-4).all()
    assert done.part("main type").categories == ("kind 1", "kind 2", "kind 3")
    assert any("largest type" in note for note in done.result.notes)


def test_the_z_of_perplexity_is_low_within_bands(toy: Any, run: Any) -> None:
    done = run("niches", toy, **{**NICHES, "shuffles": 30})
    z = np.asarray(done.part("perplexity z").values)
    assert np.nanmedian(z) < -2  # sorted tissue is less mixed than chance


def test_neighbours_outside_the_scope_are_seen_but_not_reported(toy: Any, run: Any) -> None:
    inside = toy.array[:, 0] < 8
    whole = run("niches", toy, **NICHES)
    part = run("niches", toy.with_(inside=inside), **NICHES)
    ours = np.asarray(part.part("composition").values)
    np.testing.assert_allclose(
        ours[inside], np.asarray(whole.part("composition").values)[inside], atol=1e-6
    )
    assert np.isnan(ours[~inside]).all()


def test_the_order_of_spots_does_not_matter(toy: Any, run: Any) -> None:
    order = np.random.default_rng(0).permutation(len(toy.names))
    first, second = run("niches", toy, **NICHES), run("niches", toy.rows(order), **NICHES)
    np.testing.assert_allclose(
        np.asarray(first.part("perplexity").values)[order],
        np.asarray(second.part("perplexity").values), atol=1e-5,
    )  # fmt: skip
    assert ari(first.part("niches").codes[order], second.part("niches").codes) > 0.95


def test_sections_share_one_scale_and_no_neighbours(toy: Any) -> None:
    analysis = load_all()["niches"]()
    params = analysis.Params(**{**NICHES, "outlines": True})
    one = toy.section(analysis.needs(params))
    import dataclasses

    two = dataclasses.replace(one, section="other", data={
        "types": Categories(one["types"].codes, ("immune", "tumour", "fat")),
    })  # fmt: skip
    inputs = Inputs((one, two))
    result = finish(analysis.run(inputs, params))
    assert problems(result, inputs) == []
    alone = finish(analysis.run(Inputs((one,)), params))
    np.testing.assert_allclose(
        np.asarray(result.part("perplexity", "toy").values),
        np.asarray(alone.part("perplexity", "toy").values), atol=1e-5,
    )  # fmt: skip
    columns = result.part("composition", "other").columns
    assert columns == ("tumour", "stroma", "immune", "fat")
    here, there = (result.part("niches", s) for s in ("toy", "other"))
    assert here.categories == there.categories
    outlines = result.part("niche outlines", "toy")
    assert set(outlines.classes) <= set(here.categories)


def test_a_lonely_spot_has_no_value(toy: Any, run: Any) -> None:
    far = toy.array.copy()
    far[3] = (400, 800)
    done = run("niches", toy.with_(array=far, lattice=False),
               **{**NICHES, "around": "radius", "radius": 300})  # fmt: skip
    assert done.part("niches").codes[3] == -1
    assert np.isnan(np.asarray(done.part("perplexity").values)[3])
    assert done.part("without neighbourhood").codes[3] == 0
    assert any("1 spots have no" in n or "1 cells have no" in n for n in done.result.notes)


def test_many_on_one_place_and_few_with_proportions_are_drawn_too(toy: Any, run: Any) -> None:
    stacked = toy.array.copy()
    stacked[:40] = stacked[0]
    done = run("niches", toy.with_(array=stacked, lattice=False),
               **{**NICHES, "around": "nearest", "weights": "equal", "k": 10})  # fmt: skip
    assert (done.part("niches").codes >= 0).all()
    few = np.full((256, 3), np.nan)
    few[:2] = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
    done = run("niches", toy.with_(embeddings={"p": few}),
               **{**NICHES, "of": "proportions", "proportions": "p"})  # fmt: skip
    assert (done.part("niches").codes >= 0).sum() < 40


def bad(toy: Any, how: str) -> tuple[Any, dict[str, Any]]:
    types = Categories(toy.domain.astype(np.int32), ("a", "b", "c"))
    if how == "no column":
        return toy, {"column": ""}
    if how == "one type":
        return toy.with_(columns={"domain": Categories(np.zeros_like(types.codes), ("a",))}), {}
    if how == "numbers":
        return toy.with_(columns={"domain": np.random.default_rng(0).normal(size=256)}), {}
    if how == "too many neighbours":
        return toy, {"around": "nearest", "k": 256}
    if how == "two spots":
        return toy.rows([0, 1]), {}
    if how == "too many niches":
        return toy.rows(range(12)), {"niches": 60, "around": "nearest", "k": 3}
    if how == "no scale":
        return toy.with_(um_per_px=None), {"around": "radius"}
    if how == "no array":
        return toy.with_(lattice=False), {"around": "rings"}
    if how == "negative":
        return toy.with_(embeddings={"p": -np.ones((256, 3))}), {
            "of": "proportions", "proportions": "p"
        }  # fmt: skip
    return toy.with_(embeddings={"p": np.full((256, 3), np.nan)}), {
        "of": "proportions", "proportions": "p"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no column", "No column of cell types"), ("one type", "only one type"),
        ("numbers", "measurements"), ("too many neighbours", "need more than 256"),
        ("two spots", "at least 3"), ("too many niches", "60 niches were asked"),
        ("no scale", "um_per_px"), ("no array", "no array"), ("negative", "negative"),
        ("all missing", "No spot has proportions"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(how: str, words: str, toy: Any, run: Any) -> None:
    broken, more = bad(toy, how)
    with pytest.raises(StmlError, match=words):
        run("niches", broken, **{**NICHES, **more})


def test_places_must_be_known(toy: Any, run: Any) -> None:
    lost = toy.array.astype(float)
    lost[4] = np.nan
    for name, more in (("niches", {**NICHES, "around": "nearest", "k": 5}),
                       ("contacts", {"column": "domain"})):  # fmt: skip
        with pytest.raises(StmlError, match="no position"):
            run(name, toy.with_(array=lost, lattice=False), **more)


@pytest.fixture
def opened(toy: Any, run: Any) -> tuple[Any, Any]:
    """A Run of the nearest cells, and its live view."""
    done = run("niches", toy, **{**NICHES, "around": "nearest", "k": 20})
    params = done.analysis.Params(**{**NICHES, "around": "nearest", "k": 20})
    return done, done.analysis.live(done.result, done.inputs, params)


def test_live_begins_where_the_run_stands(opened: tuple[Any, Any]) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    labels = live.update(at(k=20, niches=3), None).part("niches")
    assert (labels.codes == done.part("niches").codes).mean() > 0.97
    values = live.update(at(show="perplexity", k=20), None).part("perplexity")
    np.testing.assert_allclose(values.values, done.part("perplexity").values, atol=1e-4)


def test_sliders_change_what_they_say(opened: tuple[Any, Any]) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    narrow, wide = at(k=20, bandwidth_factor=0.3), at(k=20, bandwidth_factor=5)
    few, many = (float(live.readout(p)["neighbours that count"]) for p in (narrow, wide))
    assert few < many <= 20
    assert live.readout(wide)["bandwidth"].endswith("um")
    five = live.update(at(k=20, niches=5), None).part("niches")
    assert len(np.unique(five.codes)) == 5
    more = live.update(at(show="perplexity", k=120), None).part("perplexity").values
    assert np.nanmean(more) > np.nanmean(done.part("perplexity").values)


@pytest.mark.parametrize("show", ["niches", "perplexity"])
def test_a_kept_position_can_be_moved_on(show: str, opened: tuple[Any, Any]) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    kept = live.update(at(show=show, k=20, bandwidth_factor=2), None)
    params = done.analysis.Params(**{**NICHES, "around": "nearest", "k": 20})
    again = done.analysis.live(kept, done.inputs, params)
    first, second = (
        v.update(at(show="perplexity", k=20), None).part("perplexity") for v in (live, again)
    )
    np.testing.assert_allclose(first.values, second.values, rtol=1e-3)
    assert len(np.unique(again.update(at(k=20, niches=3), None).part("niches").codes)) == 3


def test_a_selection_stands_against_the_rest(opened: tuple[Any, Any], toy: Any) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    chosen = tuple(toy.names[toy.domain == 0].tolist())
    result = live.update(at(k=20), chosen)
    charts = {c.name: c for c in result.parts[SHARED] if isinstance(c, Chart)}
    bars = charts["selection composition"].data
    assert bars["selected"] == [1, 0, 0]
    assert bars["rest"][0] == 0
    assert {"selection perplexity", "selection contacts"} <= set(charts)
    assert "selection co-localisation" in charts
    nobody = live.update(at(k=20), ("not here",))
    assert nobody.part("niches")


def test_a_selection_stands_against_another_that_is_held(opened: tuple[Any, Any], toy: Any) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    chosen, held = (tuple(toy.names[toy.domain == i].tolist()) for i in (0, 1))
    result = live.update(at(k=20, against=held), chosen)
    charts = {c.name: c for c in result.parts[SHARED] if isinstance(c, Chart)}
    bars = charts["selection composition"].data
    assert (bars["selected"], bars["held"]) == ([1, 0, 0], [0, 1, 0])
    assert charts["selection perplexity"].data["label"][1] == f"held ({len(held):,})"
    assert "held contacts" in charts
    same = live.update(at(k=20, against=chosen), chosen)
    charts = {c.name: c for c in same.parts[SHARED] if isinstance(c, Chart)}
    assert "rest" in charts["selection composition"].data


def test_the_share_of_one_type_is_painted(opened: tuple[Any, Any]) -> None:
    done, live = opened
    at = done.analysis.LiveParams
    types = done.part("composition").columns
    shown = live.update(at(show="share of a type", type=types[1], k=20), None)
    painted = np.asarray(shown.part(f"share of {types[1]}").values)
    np.testing.assert_allclose(painted, done.part("composition").values[:, 1], atol=1e-3)
    assert live.update(at(show="share of a type", k=20), None).shows.startswith("share of")
    with pytest.raises(StmlError, match="no type nobody"):
        live.update(at(show="share of a type", type="nobody", k=20), None)


def test_the_exact_z_of_a_share_is_kept_and_follows_the_sliders(opened: tuple[Any, Any]) -> None:
    done, live = opened
    at, kept = done.analysis.LiveParams, done.part("composition z")
    shown = live.update(at(show="z of a type", type=kept.columns[0], k=20), None)
    part = shown.part(f"z of {kept.columns[0]}")
    assert part.scale == "diverging"
    np.testing.assert_allclose(part.values, kept.values[:, 0], atol=0.05)
    own = np.asarray(done.part("composition").values)[:, 0] > 0.9
    assert np.median(np.asarray(kept.values)[own, 0]) > 2  # bands are no chance
    wider = live.update(at(show="z of a type", type=kept.columns[0], bandwidth_factor=5), None)
    assert not np.allclose(wider.part(part.name).values, part.values, atol=0.05, equal_nan=True)


def test_shuffling_leaves_the_unknown_where_they_are(toy: Any) -> None:
    codes = toy.domain.astype(np.int32)
    codes[::9] = -1
    toy = toy.with_(columns={"domain": Categories(codes, ("a", "b", "c"))})
    params = load_all()["niches"].Params(column="domain")
    analysis = load_all()["niches"]()
    (tissue,) = tissues((toy.section(dict(analysis.needs(params))),), params)
    mixed_up = tissue.shuffled(np.random.default_rng(0)).codes
    np.testing.assert_array_equal(mixed_up < 0, codes < 0)
    assert (mixed_up != codes).any()
    np.testing.assert_array_equal(np.bincount(mixed_up + 1), np.bincount(codes + 1))


@pytest.mark.parametrize(
    ("around", "what", "least"), [("nearest", "neighbours", 3), ("radius", "radius", 3),
                                  ("rings", "rings", 3)],
)  # fmt: skip
def test_stability_is_told_for_every_kind_of_neighbourhood(
    around: str, what: str, least: int, toy: Any, run: Any
) -> None:
    done = run("niches", toy, **{**NICHES, "guide": True, "around": around, "k": 40,
                                 "radius": 400, "rings": 3})  # fmt: skip
    chart = next(c for c in done.charts if c.name == "neighbours tried")
    assert len(chart.data[what]) >= least
    assert chart.data["agreement with these niches"][-1] > 0.95


def test_only_the_slider_of_the_neighbours_in_use_is_shown() -> None:
    from napari_stml.core.params import applies

    kind = load_all()["niches"]
    given = {"around": "automatic"}
    fields = kind.LiveParams.model_fields
    shown = {
        on_array: [n for n in ("k", "radius", "rings")
                   if applies(fields[n], kind.beside(given, on_array))]
        for on_array in (True, False)
    }  # fmt: skip
    assert shown == {True: ["rings"], False: ["k"]}
    assert kind.beside({"around": "radius"}, True)["around"] == "radius"


def test_a_clicked_cell_shows_its_neighbours(opened: tuple[Any, Any]) -> None:
    done, live = opened
    section = done.inputs.sections[0]
    result = live.update(done.analysis.LiveParams(k=20, cell=tuple(section.xy[40])), None)
    near = result.part("its neighbours")
    assert len(near.links[0].ids) == 20
    assert section.names[40] not in near.links[0].ids
    assert sum(near.data["weight"]) == pytest.approx(1, abs=0.01)
    shares = np.array(result.part("one cell").data["share"], dtype=float)
    np.testing.assert_allclose(shares, np.asarray(done.part("composition").values)[40], atol=1e-3)


def test_contacts_of_bands(toy: Any, run: Any) -> None:
    done = run("contacts", toy, column="domain", niches="domain")
    chart = next(c for c in done.charts if c.name == "contact enrichment")
    z = np.array(chart.data["values"], dtype=float)
    assert (np.diag(z) > 5).all()
    assert z[0, 2] < -3
    np.testing.assert_allclose(z, z.T)
    steps = np.asarray(done.part("steps to tumour").values)
    assert (steps[toy.domain == 0] == 0).all()
    assert steps.max() >= 9
    table = done.part("steps between groups").columns
    assert len(table["from"]) == 6 * 5
    curve = next(c for c in done.charts if c.name == "co-occurrence of tumour").data
    assert curve["tumour"][0] > 1.5
    assert curve["immune"][0] == 0


@pytest.mark.parametrize(
    "more", [{"touch": "triangulation"}, {"touch": "nearest"}, {"touch": "radius", "radius": 120}]
)
def test_other_contacts(more: dict[str, Any], toy: Any, run: Any) -> None:
    done = run("contacts", toy.with_(lattice=False), column="domain", **more)
    z = np.array(done.charts[0].data["values"], dtype=float)
    assert (np.diag(z) > 4).all()


def test_contacts_need_contacts_and_types(toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="No two cells"):
        run("contacts", toy, column="domain", touch="radius", radius=0.5)
    with pytest.raises(StmlError, match="No column"):
        run("contacts", toy)


def test_contacts_of_a_selection_are_live(toy: Any, run: Any) -> None:
    done = run("contacts", toy, column="domain")
    live = done.analysis.live(done.result, done.inputs, done.analysis.Params(column="domain"))
    at = done.analysis.LiveParams
    own = live.update(at(show="with its own type"), None).part("with its own type").values
    assert np.nanmean(own) > 0.8
    names = tuple(toy.names[toy.array[:, 0] < 8].tolist())
    charts = [p for p in live.update(at(), names).parts[SHARED] if isinstance(p, Chart)]
    assert [c.name for c in charts] == ["selection contacts", "selection border"]


def test_distances_to_a_label_change_sign_at_its_border(toy: Any, run: Any) -> None:
    done = run("niche-distance", toy, column="domain", label="tumour", of="domain")
    away = np.asarray(done.part("distance").values)
    assert (away[toy.domain == 0] < 0).all()
    assert (away[toy.domain != 0] > 0).all()
    steps = np.asarray(done.part("steps").values)
    assert (np.sign(steps) == np.sign(away)).all()
    with pytest.raises(StmlError, match="no label 'x'"):
        run("niche-distance", toy, column="domain", label="x")
    with pytest.raises(MissingScaleError):
        run("niche-distance", toy.with_(um_per_px=None), column="domain", label="tumour")


def test_distances_to_a_drawn_boundary(toy: Any) -> None:
    import dataclasses

    import shapely

    analysis = load_all()["niche-distance"]()
    params = analysis.Params(to="a drawn region")
    box = Region(bytes(shapely.to_wkb(shapely.box(-1, -1, 1000, 1e6))), "tumour", "")
    section = dataclasses.replace(toy.section({}), data={"outlines": (box,)})
    result = finish(analysis.run(Inputs((section,)), params))
    away = np.asarray(result.part("distance").values)
    right = section.xy[:, 0] > 1000
    np.testing.assert_allclose(away[right], (section.xy[right, 0] - 1000) * 0.5, rtol=1e-5)
    assert (away[~right] <= 0).all()


@pytest.fixture
def reference(toy: Any, tmp_path: Path) -> Path:
    """Single cells of three kinds, each like a spot of its band."""
    import anndata as ad
    import pandas as pd

    rng = np.random.default_rng(0)
    kinds = np.repeat(["tumour", "stroma", "immune"], 40)
    means = np.stack([toy.counts[toy.domain == k].mean(axis=0) for k in range(3)])
    counts = rng.poisson(means[np.repeat(np.arange(3), 40)]).astype(np.float32)
    adata = ad.AnnData(counts, obs=pd.DataFrame({"cell_type": kinds}, index=map(str, range(120))),
                       var=pd.DataFrame(index=list(toy.genes)))  # fmt: skip
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_spots_are_taken_apart(toy: Any, run: Any, reference: Path) -> None:
    done = run("deconvolve", toy, reference=str(reference))
    main = done.part("main type")
    names = np.array(main.categories)[main.codes]
    assert (names == np.array(["tumour", "stroma", "immune"])[toy.domain]).mean() > 0.98
    shares = np.asarray(done.part("proportions").values)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert isinstance(main, Labels)
    assert np.nanmedian(done.part("fit").values) > 0.6


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"column": "nowhere"}, "no column 'nowhere'"), ({"fewest": 41}, "Only 0 types"),
        ({"reference": ""}, "No reference"), ({"reference": __file__}, "no .h5ad"),
    ],
)  # fmt: skip
def test_references_that_cannot_be_used(
    more: dict[str, Any], words: str, toy: Any, run: Any, reference: Path
) -> None:
    with pytest.raises(StmlError, match=words):
        run("deconvolve", toy, **{"reference": str(reference), **more})


def test_a_reference_with_other_genes_or_without_counts(
    toy: Any, run: Any, reference: Path
) -> None:
    import anndata as ad

    adata = ad.read_h5ad(reference)
    adata.X = adata.X + 0.5
    adata.write_h5ad(reference)
    with pytest.raises(StmlError, match="no raw counts"):
        run("deconvolve", toy, reference=str(reference))
    adata.X = adata.X - 0.5
    adata.var_names = [f"X{i}" for i in range(adata.n_vars)]
    adata.write_h5ad(reference)
    with pytest.raises(StmlError, match="Only 0 genes"):
        run("deconvolve", toy, reference=str(reference))


def test_one_niche_is_split_and_the_others_stay(toy: Any, run: Any) -> None:
    halves = np.repeat([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], len(toy.names) // 2, axis=0)
    seen = toy.with_(embeddings={"p": halves})
    given = {"niches": "domain", "composition": "p"}
    done = run("split-niche", seen, **given, which="stroma", parts=2)
    labels = done.part("niches")
    assert labels.categories == ("tumour", "stroma a", "stroma b", "immune")
    assert ari(labels.codes[toy.domain == 1], halves[toy.domain == 1, 0] > 0.5) == 1
    for name, before in (("tumour", 0), ("immune", 2)):
        assert (labels.codes[toy.domain == before] == labels.categories.index(name)).all()
    with pytest.raises(StmlError, match="no niche 'nobody'"):
        run("split-niche", seen, **given, which="nobody")
    with pytest.raises(StmlError, match="only 2 neighbourhoods"):
        run("split-niche", seen, **given, which="stroma", parts=3)
    with pytest.raises(StmlError, match="made of"):
        run("split-niche", seen, niches="domain", which="stroma")
    assert load_all()["split-niche"].Params(niches="niches-1/niches").by == "niches-1/composition"
