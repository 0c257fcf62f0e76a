"""The signatures of six very different analyses, held against Inputs and Result.

Each computes next to nothing; what is tested is that the contract carries it without a hack: a
live one in three dimensions, one of many traits, one without a table, one over several sections
that leaves a model, one that learns from strokes.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.core import needs
from napari_stml.core.analysis import (
    Analysis,
    Live,
    Steps,
    Tab,
    finish,
    live_of,
    problems,
    register,
    registered,
)
from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.geometry import Affine
from napari_stml.core.inputs import Categories, Inputs, Matrix2D, Region, SectionInputs
from napari_stml.core.params import LiveParams, Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import (
    SHARED,
    GeneValues,
    Graph,
    Labels,
    Mask,
    Matrix,
    Model,
    Result,
    Table,
    Values,
)
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

N = 12


class Leiden:
    """Clusters of one section; knows nothing outside its scope."""

    name: ClassVar[str] = "spike-leiden"
    title: ClassVar[str] = "Clusters (Leiden)"
    tab: ClassVar[Tab] = "prepare"
    sections: ClassVar[Literal["one", "many"]] = "one"
    context: ClassVar[Literal["inside", "around"]] = "inside"

    class Params(Params):
        resolution: float = param(1.0, title="Resolution", help="More gives more clusters.", gt=0)
        neighbours: int = param(15, title="Neighbours", help="Per spot.", ge=2, rare=True)

    class LiveParams(LiveParams):
        resolution: float = param(1.0, title="Resolution", help="More clusters.", gt=0, le=4)

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {"counts": needs.Expression(transform="log")}

    def run(self, inputs: Inputs, params: Any) -> Steps:
        section = inputs.one
        matrix: Matrix2D = section["counts"]
        yield Progress(1, 2, "neighbours")
        codes = np.where(section.inside, np.arange(N) % max(1, round(params.resolution * 3)), -1)
        graph = csr_matrix(np.diag(section.inside.astype(np.float32)))
        assert matrix.values.shape[0] == N
        return Result.of(
            section.section,
            Labels("clusters", codes, tuple(str(k) for k in range(codes.max() + 1))),
            Graph("neighbours", graph),
            shows="clusters",
        )

    def live(self, result: Result, inputs: Inputs, params: Any) -> Live:
        section = inputs.one

        class AtResolution:
            def update(self, params: Any, selection: tuple[str, ...] | None) -> Result:
                codes = np.arange(N) % max(1, round(params.resolution * 3))
                codes = np.where(section.inside, codes, -1)
                names = tuple(str(k) for k in range(codes.max() + 1))
                return Result.of(section.section, Labels("clusters", codes, names))

        return AtResolution()


class SpaCon(Leiden):
    """Two latent views over sections in order; a live alpha; one part per section."""

    name: ClassVar[str] = "spike-spacon"
    sections: ClassVar[Literal["one", "many"]] = "many"

    class Params(Params):
        order: tuple[str, ...] = param((), title="Order", help="Of the sections.", source="section")
        connectivity: str = param(
            "connectivity", title="Connectivity", help="Matrix.", source="obsp"
        )

    class LiveParams(LiveParams):
        alpha: float = param(0.5, title="Alpha", help="0: space, 1: connections.", ge=0, le=1)

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {
            "counts": needs.Expression(transform="log"),
            "connections": needs.Pairs(params.connectivity),
        }

    def run(self, inputs: Inputs, params: Any) -> Steps:
        loss = Progress(1, 1, "epoch", (("loss", 0.5),))
        yield loss
        parts = {}
        for section in inputs.sections:
            assert section["connections"].shape == (N, N)
            view = np.where(section.inside[:, None], np.ones((N, 2), np.float32), np.nan)
            parts[section.section] = (Matrix("feature_spa", view), Matrix("feature_con", view))
        state = {"encoder.weight": np.zeros((2, 2), np.float32)}
        return Result({**parts, SHARED: (Model("network", state, {"epochs": 1}),)})

    def live(self, result: Result, inputs: Inputs) -> Live:
        class Blend:
            def grid(self) -> tuple[LiveParams, ...]:
                return tuple(SpaCon.LiveParams(alpha=a / 10) for a in range(11))

            def update(self, params: Any, selection: tuple[str, ...] | None) -> Result:
                parts = {}
                for section in inputs.sections:
                    view = result.part("feature_spa", section.section)
                    assert isinstance(view, Matrix)
                    missing = np.isnan(np.asarray(view.values)[:, 0])
                    codes = np.where(missing, -1, int(params.alpha > 0.5))
                    parts[section.section] = (Labels("clusters", codes, ("a", "b")),)
                return Result(parts, shows="clusters")

        return Blend()


class GsMap(Leiden):
    """Many traits from files outside the section, p-values per spot, charts per trait."""

    name: ClassVar[str] = "spike-gsmap"

    class Params(Params):
        traits: tuple[str, ...] = param(title="Traits", help="Summary statistics.", source="file")
        annotation: str = param("", title="Annotation", help="Column.", source="category")

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        wanted: dict[str, needs.Need] = {f"trait {t}": needs.File(t) for t in params.traits}
        wanted["counts"] = needs.Expression(transform="counts")
        if params.annotation:
            wanted["annotation"] = needs.Column(params.annotation)
        return wanted

    def run(self, inputs: Inputs, params: Any) -> Steps:
        section = inputs.one
        parts: list[Any] = []
        for i, trait in enumerate(params.traits):
            yield Progress(i, len(params.traits), f"regressing {trait}")
            p = np.where(section.inside, 0.5, np.nan)
            parts.append(Values(f"{trait} -log10 p", -np.log10(p), scale="p-value"))
        groups: Categories = section["annotation"]
        columns = {"annotation": groups.names, "p": np.full(len(groups.names), 0.5)}
        chart = Chart(
            "cauchy chart",
            "bar",
            "Cauchy p per annotation",
            Axis("annotation"),
            Axis("-log10 p"),
            {"annotation": list(groups.names), "value": [0.3] * len(groups.names)},
            (Link("category", groups.names, value=params.annotation),),
        )
        genes = GeneValues("diagnostic", ("A", "B"), np.zeros((2, 1)), ("pcc",))
        return Result.of(section.section, *parts, genes, Table("cauchy", columns), chart)


class TissueMask(Leiden):
    """A slide without a table: pixels in, a mask out; the scope is a polygon."""

    name: ClassVar[str] = "spike-tissue"
    tab: ClassVar[Tab] = "slide"

    class Params(Params):
        um_per_px: float = param(8.0, title="Resolution", help="Of the mask.", unit="um/px", gt=0)

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {"slide": needs.Pixels()}

    def run(self, inputs: Inputs, params: Any) -> Steps:
        yield Progress(0, 1, "threshold")
        section = inputs.one
        assert len(section.names) == 0
        pixels = np.ones((4, 4), np.uint8)
        return Result.of(
            section.section, Mask("tissue", pixels, Affine.scaling(16.0), {1: "tissue"})
        )


class LeaveOneOut(Leiden):
    """Trains on all sections but one, for each: a model, predictions as genes, scores."""

    name: ClassVar[str] = "spike-stf"
    sections: ClassVar[Literal["one", "many"]] = "many"

    class Params(Params):
        genes: tuple[str, ...] = param(title="Genes", help="Targets.", source="genes")

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {
            "targets": needs.Expression(transform="log", genes=params.genes, inside_only=False),
            "features": needs.Stored("embed-1", "features"),
        }

    def run(self, inputs: Inputs, params: Any) -> Steps:
        parts: dict[str, tuple[Any, ...]] = {}
        scores: list[float] = []
        for section in inputs.sections:
            yield Progress(0, 1, f"held out: {section.section}", (("r", 0.1),))
            values = np.zeros((N, len(params.genes)), np.float32)
            values[~section.inside] = np.nan
            parts[section.section] = (Matrix("predicted", values, params.genes, genes=True),)
            scores.append(0.1)
        names = tuple(s.section for s in inputs.sections)
        parts[SHARED] = (
            Model("stf", {"w": np.zeros(3)}, {"genes": list(params.genes), "held out": names}),
            Table("scores", {"section": names, "r": np.array(scores)}),
        )
        return Result(parts)


class FewStrokes(Leiden):
    """Drawn examples of two classes teach a classifier that repaints while it is corrected."""

    name: ClassVar[str] = "spike-strokes"
    context: ClassVar[Literal["inside", "around"]] = "around"

    class Params(Params):
        classes: tuple[str, ...] = param(title="Classes", help="Drawn.", source="region_class")
        features: str = param("X_pca", title="Features", help="Stored.", source="obsm")

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {
            "strokes": needs.Outlines(params.classes),
            "features": needs.Embedding(params.features),
        }

    def run(self, inputs: Inputs, params: Any) -> Steps:
        yield Progress(0, 1)
        section = inputs.one
        strokes: tuple[Region, ...] = section["strokes"]
        classes = tuple(dict.fromkeys(s.kind for s in strokes))
        codes = np.where(section.inside, 0, -1)
        doubt = np.where(section.inside, 0.5, np.nan)
        model = Model("classifier", {"coef": np.zeros(2)}, {"classes": classes})
        return Result.of(
            section.section, Labels("class", codes, classes), Values("uncertainty", doubt), model
        )


def section(name: str, n: int = N, inside: slice = slice(None), **data: Any) -> SectionInputs:
    mask = np.zeros(n, bool)
    mask[inside] = True
    names = np.array([f"spot{i}" for i in range(n)], dtype=object)
    members = tuple(names[mask])
    scope = Scope() if mask.all() else Scope("selection", members, title=f"{len(members)} spots")
    return SectionInputs(name, names, np.zeros((n, 2)), mask, scope, data=data)


COUNTS = Matrix2D(csr_matrix(np.ones((N, 2), np.float32)), ("A", "B"))
GROUPS = Categories(np.zeros(N, np.int32), ("tumour", "stroma"))
EYE = csr_matrix(np.eye(N))
TRAITS = {"trait height.gz": "height.gz", "trait bmi.gz": "bmi.gz"}
STROKE = Region(b"wkb", "tumour", "")


@pytest.mark.parametrize(
    ("analysis", "params", "sections"),
    [
        (Leiden(), {}, [section("A", inside=slice(0, 5), counts=COUNTS)]),
        (SpaCon(), {}, [section(s, counts=COUNTS, connections=EYE) for s in ("A", "B")]),
        (GsMap(), {"traits": ("height.gz", "bmi.gz"), "annotation": "domain"},
         [section("A", counts=COUNTS, annotation=GROUPS, **TRAITS)]),
        (TissueMask(), {}, [section("slide", 0, slide=None)]),
        (LeaveOneOut(), {"genes": ("A", "B")},
         [section(s, targets=COUNTS, features=None) for s in ("A", "B", "C")]),
        (FewStrokes(), {"classes": ("tumour",)},
         [section("A", inside=slice(2, 9), strokes=(STROKE,), features=None)]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_the_contract_carries_it(
    analysis: Any, params: dict[str, Any], sections: list[SectionInputs]
) -> None:
    as_protocol: Analysis = analysis
    values = analysis.Params(**params)
    inputs = Inputs(tuple(sections), seed=1)
    wanted = as_protocol.needs(values)
    assert set(wanted) <= set(sections[0].data), "every need is an input under the same name"
    result = finish(as_protocol.run(pickle.loads(pickle.dumps(inputs)), values))
    assert problems(result, inputs) == []
    again = pickle.loads(pickle.dumps(result))
    assert set(again.parts) == set(result.parts)
    assert analysis.Params.model_validate_json(values.canonical()) == values


def test_live_updates_are_results_too() -> None:
    inputs = Inputs((section("A", counts=COUNTS, connections=EYE),))
    analysis = SpaCon()
    finished = finish(analysis.run(inputs, analysis.Params()))
    live: Any = live_of(analysis, finished, inputs, analysis.Params())
    for position in live.grid():
        assert problems(live.update(position, None), inputs) == []


def test_problems_are_found() -> None:
    inputs = Inputs((section("A", inside=slice(0, 5)),))
    short = Result.of("A", Values("v", np.zeros(3)))
    outside = Result.of("A", Labels("l", np.zeros(N, int), ("x",)))
    sparse = Result.of("A", Matrix("m", csr_matrix(np.ones((N, 2)))))
    stranger = Result.of("B", Values("v", np.zeros(N)))
    twins = Result.of("A", *[Values("v", np.full(N, np.nan))] * 2)
    for result, words in [(short, "3 rows"), (outside, "outside the scope"), (twins, "two parts"),
                          (sparse, "outside the scope"), (stranger, "no input")]:  # fmt: skip
        assert any(words in p for p in problems(result, inputs)), words


def test_names_are_registered_once() -> None:
    register(Leiden)
    assert registered()["spike-leiden"] is Leiden

    class Other(Leiden):
        pass

    with pytest.raises(ValueError, match="two analyses"):
        register(Other)
    Other.name = "Bad Name"
    with pytest.raises(ValueError, match="is named"):
        register(Other)
