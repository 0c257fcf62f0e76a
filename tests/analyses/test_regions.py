"""Regions compared: measured, their genes, sets of genes, several sections, merged Runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import shapely
from scipy import stats

from napari_stml.analyses import load_all
from napari_stml.core import needs
from napari_stml.core.analysis import finish, problems
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories, Inputs, Region
from napari_stml.core.results import Result, Table
from napari_stml.methods.comparing.enriched import enriched
from napari_stml.methods.comparing.pooled import compared, squeezed

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Toy


def region(shape: Any, kind: str, name: str = "") -> Region:
    return Region(bytes(shapely.to_wkb(shape)), kind, name)


@pytest.fixture
def drawn(toy: Toy) -> Callable[..., Inputs]:
    """The toy with regions around its tumour and its immune band."""
    xy = toy.array[:, ::-1] * np.array([100.0, 173.2])
    regions = []
    for code, kind in ((0, "tumour"), (2, "immune")):
        regions.append(region(shapely.box(*_bounds(xy[toy.domain == code])), kind, f"{kind} 1"))

    def inputs(
        name: str, more: dict[str, Any] | None = None, toys: Any = None, **params: Any
    ) -> Any:
        analysis = load_all()[name]()
        values = analysis.Params(**params)
        sections = []
        for i, each in enumerate(toys or [toy]):
            wanted = analysis.needs(values)
            own = {"regions": tuple(regions), **(more or {})}
            simple = {k: v for k, v in wanted.items()
                      if k not in own and not isinstance(v, needs.Outlines)}  # fmt: skip
            section = each.section(simple)
            given = {k: own[k] for k in wanted if k in own}
            called = f"toy {i}" if toys else "toy"
            changed = section.__class__(**{**section.__dict__, "section": called,
                                           "data": {**section.data, **given}})  # fmt: skip
            sections.append(changed)
        return analysis, Inputs(tuple(sections)), values

    def run(*args: Any, **more: Any) -> Result:
        analysis, given, values = inputs(*args, **more)
        result = finish(analysis.run(given, values))
        assert problems(result, given) == []
        return result

    return run


def _bounds(xy: np.ndarray) -> tuple[float, ...]:
    return (*(xy.min(axis=0) - 40), *(xy.max(axis=0) + 40))


def table(result: Result, name: str) -> dict[str, Any]:
    part = result.part(name)
    assert isinstance(part, Table)
    return {k: np.asarray(v) for k, v in part.columns.items()}


@pytest.mark.parametrize("test", ["wilcoxon", "t-test"])
@pytest.mark.parametrize("second", ["immune", ""])
def test_genes_of_regions_are_scanpys(
    drawn: Callable[..., Result], toy: Toy, test: str, second: str
) -> None:
    found = table(drawn("region-genes", first="tumour", second=second, test=test), "genes")
    log = toy.section({"log": needs.Expression(transform="log")})["log"].values
    counts = ad.AnnData(log, var=pd.DataFrame(index=list(toy.genes)),
                        obs=pd.DataFrame(index=toy.names))  # fmt: skip
    counts.obs["group"] = pd.Categorical(np.array(["tumour", "stroma", "immune"])[toy.domain])
    sc.tl.rank_genes_groups(counts, "group", groups=["tumour"], reference=second or "rest",
                            method=test)  # fmt: skip
    theirs = sc.get.rank_genes_groups_df(counts, "tumour").set_index("names")
    theirs = theirs.loc[found["gene"]]
    for ours, name in (("score", "scores"), ("logfc", "logfoldchanges"), ("p", "pvals"),
                       ("p_adj", "pvals_adj")):  # fmt: skip
        assert np.allclose(found[ours], theirs[name], rtol=1e-4, atol=1e-12), ours
    assert set(found["gene"][:15]) == {f"TG{i}" for i in range(15)}


def test_the_volcano_is_linked_to_genes(drawn: Callable[..., Result]) -> None:
    result = drawn("region-genes", first="tumour")
    chart: Any = result.part("volcano")
    assert chart.links[0].kind == "gene"
    assert len(chart.links[0].ids) == len(chart.data["log2 fold change"])
    groups: Any = result.part("groups")
    assert groups.categories == ("tumour", "the rest")


def test_spots_in_both_regions_are_in_neither(drawn: Callable[..., Result], toy: Toy) -> None:
    everywhere = region(shapely.box(-1e4, -1e4, 1e4, 1e4), "all")
    xy = toy.array[:, ::-1] * np.array([100.0, 173.2])
    tumour = region(shapely.box(*_bounds(xy[toy.domain == 0])), "tumour")
    with pytest.raises(StmlError, match="'tumour' has 0 spots"):
        drawn("region-genes", {"regions": (tumour, everywhere)}, first="tumour", second="all")
    with pytest.raises(StmlError, match="No region 'nowhere'"):
        drawn("region-genes", first="nowhere")


def test_classes_of_a_column_are_compared_too(drawn: Callable[..., Result], toy: Toy) -> None:
    by_column = drawn("region-genes", first="tumour", second="immune", column="domain")
    by_region = drawn("region-genes", first="tumour", second="immune")
    assert np.allclose(table(by_column, "genes")["p"], table(by_region, "genes")["p"])


def test_sets_of_a_comparison(drawn: Callable[..., Result], tmp_path: Any) -> None:
    genes = drawn("region-genes", first="tumour").part("genes")
    file = tmp_path / "own.gmt"
    marks = "\t".join(f"tg{i}" for i in range(15))
    file.write_text(f"tumour\tx\t{marks}\nhouse\tx\t" + "\t".join(f"HK{i}" for i in range(40)))
    found = table(drawn("region-sets", {"genes": genes, "sets": file}, run_id="r",
                        file=str(file)), "sets")  # fmt: skip
    assert found["set"][0] == "tumour"
    assert found["called"][0] == 15
    assert found["p called adj"][0] < 1e-6
    assert found["rank effect"][0] > 0.9
    assert found["p called"][1] > 0.5
    with pytest.raises(StmlError, match="no table of genes"):
        drawn("region-sets", {"genes": Table("genes", {"x": (1,)})}, run_id="r")
    with pytest.raises(StmlError, match="No gene set has enough"):
        drawn("region-sets", {"genes": genes}, run_id="r")


def test_enrichment_is_scipys() -> None:
    rng = np.random.default_rng(0)
    score = np.round(rng.normal(size=300), 1)
    called = score > 1
    sets = [rng.choice(300, 30, replace=False).tolist(), np.flatnonzero(called)[:20].tolist()]
    found = enriched(score, called, sets)
    for i, own in enumerate(sets):
        inside = np.isin(np.arange(300), own)
        table = [[(called & inside).sum(), (called & ~inside).sum()],
                 [(~called & inside).sum(), (~called & ~inside).sum()]]  # fmt: skip
        assert found.p_called[i] == pytest.approx(stats.fisher_exact(table, "greater").pvalue)
        theirs = stats.mannwhitneyu(score[inside], score[~inside], method="asymptotic")
        assert found.p_rank[i] == pytest.approx(theirs.pvalue)
        assert found.effect[i] == pytest.approx(2 * theirs.statistic / (30 * 270) - 1
                                                if i == 0 else found.effect[i])  # fmt: skip


def test_measures_of_regions(drawn: Callable[..., Result], toy: Toy) -> None:
    own = Categories(toy.domain.astype(np.int32), ("tumour", "stroma", "immune"))
    score = toy.counts[:, 0].astype(float)
    result = drawn("region-measures", {"composition": own, "value 0": score},
                   composition="domain", values="TG0")  # fmt: skip
    found = table(result, "regions")
    tumour = toy.domain == 0
    assert found["class"].tolist() == ["tumour", "immune"]
    assert found["spots"][0] == tumour.sum()
    assert found["domain tumour"].tolist() == [tumour.sum(), 0]
    assert found["mean TG0"][0] == pytest.approx(score[tumour].mean())
    xy = toy.array[:, ::-1] * np.array([100.0, 173.2])
    low = shapely.box(*_bounds(xy[tumour]))
    assert found["area um2"][0] == pytest.approx(low.area / 4)
    assert table(result, "composition of classes")["tumour %"].tolist() == [100, 0]


def test_pooled_sections_find_what_was_planted(drawn: Callable[..., Result], toy: Toy) -> None:
    rng = np.random.default_rng(1)
    toys = [toy.with_(counts=rng.poisson(toy.counts * rng.gamma(20, 1 / 20))) for _ in range(4)]
    found = table(drawn("pseudo-bulk", toys=toys, first="tumour", second="immune"), "genes")
    assert set(found["gene"][:15]) == {f"TG{i}" for i in range(15)}
    assert set(found["gene"][-15:]) == {f"IG{i}" for i in range(15)}
    assert (found["p_adj"][:15] < 1e-3).all()
    house = [i for i, g in enumerate(found["gene"]) if str(g).startswith("HK")]
    assert (found["p"][house] < 0.05).mean() < 0.35
    with pytest.raises(StmlError, match="two of each are needed"):
        drawn("pseudo-bulk", toys=toys[:1], first="tumour", second="immune")


def test_without_effect_p_is_uniform_and_the_prior_is_found() -> None:
    rng = np.random.default_rng(2)
    variance = 0.02 * 8 / rng.chisquare(8, 4000)
    s2 = variance * rng.chisquare(6, 4000) / 6
    prior, degrees = squeezed(s2, 6)
    assert prior == pytest.approx(0.02, rel=0.1)
    assert degrees == pytest.approx(8, rel=0.25)
    rate = rng.gamma(5, 40, 1500)
    counts = rng.poisson(rate * np.repeat(rng.gamma(30, 1 / 30, (5, 1500)), 2, axis=0))
    found = compared(counts.astype(float), np.tile([True, False], 5), np.repeat(np.arange(5), 2))
    assert found.paired
    assert 0.03 < (found.p < 0.05).mean() < 0.07


def test_a_region_run_again_is_merged(drawn: Callable[..., Result], toy: Toy) -> None:
    whole = Categories(toy.domain.astype(np.int32), ("a", "b", "c"))
    fine = np.where(toy.domain == 0, np.arange(len(toy.domain)) % 2, -1).astype(np.int32)
    part = Categories(fine, ("1", "2"))
    merged: Any = drawn("merge-runs", {"whole": whole, "part": part}, whole="clusters-1/clusters",
                        part="clusters-2/clusters").part("merged")  # fmt: skip
    assert merged.categories == ("b", "c", "clusters-2: 1", "clusters-2: 2")
    assert np.array_equal(merged.codes[toy.domain == 1], np.zeros((toy.domain == 1).sum()))
    own = np.where(fine >= 0, 5.0, np.nan)
    values: Any = drawn("merge-runs", {"whole": np.ones(len(fine)), "part": own},
                        whole="x", part="y").part("merged")  # fmt: skip
    assert np.array_equal(values.values, np.where(fine >= 0, 5.0, 1.0))


def strokes(toy: Toy, each: int = 6) -> Categories:
    """A few labelled spots of each domain."""
    codes = np.full(len(toy.domain), -1, dtype=np.int32)
    for c in range(3):
        codes[np.flatnonzero(toy.domain == c)[:: len(toy.domain) // (3 * each)][:each]] = c
    return Categories(codes, ("tumour", "stroma", "immune"))


def test_a_few_strokes_predict_the_rest(drawn: Callable[..., Result], toy: Toy) -> None:
    result = drawn("few-strokes", {"examples": strokes(toy)}, column="x")
    found: Any = result.part("predicted")
    assert found.categories == ("tumour", "stroma", "immune")
    assert (found.codes == toy.domain).mean() > 0.9
    unsure: Any = result.part("uncertainty")
    edge = np.abs(np.diff(toy.domain.reshape(16, 16), axis=1, append=2)).ravel() > 0
    assert unsure.values[edge].mean() > unsure.values[~edge].mean()
    labelled = set(toy.names[strokes(toy).codes >= 0])
    ask = result.part("look next")
    assert isinstance(ask, Table)
    assert not labelled & set(ask.columns["spot"])
    again: Any = drawn("few-strokes", {"examples": strokes(toy)}, column="x").part("chance")
    assert np.array_equal(again.values, result.part("chance").values)  # type: ignore[union-attr]


def test_examples_are_the_drawn_classes_without_ignored_ones(
    drawn: Callable[..., Result], toy: Toy
) -> None:
    xy = toy.array[:, ::-1] * np.array([100.0, 173.2])
    shapes = [region(shapely.box(*_bounds(xy[toy.domain == c][:4])), kind)
              for c, kind in ((0, "tumour"), (2, "immune"), (1, "Ignore"))]  # fmt: skip
    found: Any = drawn("few-strokes", {"examples": tuple(shapes)}).part("predicted")
    assert found.categories == ("tumour", "immune")
    with pytest.raises(StmlError, match="two classes"):
        drawn("few-strokes", {"examples": (shapes[0], shapes[2])})


def test_a_classifier_goes_to_another_section(
    drawn: Callable[..., Result], toy: Toy, tmp_path: Any
) -> None:
    from napari_stml.io.run_parts.model_file import read_model, write_model

    model: Any = drawn("few-strokes", {"examples": strokes(toy)}, column="x").part("classifier")
    file = tmp_path / "own.safetensors"
    write_model(file, model)
    assert read_model(file).card["classes"] == ["tumour", "stroma", "immune"]
    rng = np.random.default_rng(9)
    order = rng.permutation(len(toy.domain))
    genes = rng.permutation(len(toy.genes))[:90]
    other = toy.rows(order).with_(
        counts=rng.poisson(toy.counts[order] * 0.7)[:, genes],
        genes=tuple(toy.genes[g] for g in genes),
    )
    result = drawn("apply-strokes", {"file": file}, toys=[other], file=str(file))
    found: Any = result.part("predicted")
    assert (found.codes == other.domain).mean() > 0.85
    (tmp_path / "x.safetensors").write_bytes(b"pickle")
    with pytest.raises(StmlError, match="no model"):
        drawn("apply-strokes", {"file": tmp_path / "x.safetensors"}, file="x.safetensors")


def test_features_and_expression_are_learnt_from_together(
    drawn: Callable[..., Result], toy: Toy
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(toy.domain), 5)) + toy.domain[:, None] * 0.2
    more = {"examples": strokes(toy), "embedding": noise}
    alone: Any = drawn("few-strokes", more, column="x", embedding="f").part("predicted")
    both: Any = drawn("few-strokes", more, column="x", embedding="f",
                      with_expression=True).part("predicted")  # fmt: skip
    assert (both.codes == toy.domain).mean() > (alone.codes == toy.domain).mean()
