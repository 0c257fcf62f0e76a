"""A toy section with three domains, and needs resolved from it without any file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.analyses import load_all
from napari_stml.core import needs
from napari_stml.core.analysis import problems
from napari_stml.core.charts import Chart
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.core.inputs import Categories, Inputs, Matrix2D, Named2D, SectionInputs
from napari_stml.core.results import SHARED, Graph, Labels, Matrix, Result, Values
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROWS = COLUMNS = 16
DOMAINS = ("tumour", "stroma", "immune")
PER_DOMAIN = 15
SCALE = UmPerPx(0.5, 0.5, ScaleSource.USER)


@dataclasses.dataclass(frozen=True)
class Toy:
    """A table on a hexagonal array; what an analysis needs is taken from here."""

    counts: np.ndarray
    genes: tuple[str, ...]
    domain: np.ndarray
    array: np.ndarray
    names: np.ndarray
    inside: np.ndarray
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    drawn: tuple[Any, ...] = ()
    um_per_px: UmPerPx | None = SCALE
    lattice: bool = True
    hexagonal: bool = True

    def with_(self, **changes: Any) -> Toy:
        return dataclasses.replace(self, **changes)

    def rows(self, order: Sequence[int]) -> Toy:
        """Take observations in another order, or some of them."""
        i = np.asarray(order, dtype=np.intp)
        return self.with_(
            counts=self.counts[i], domain=self.domain[i], array=self.array[i],
            names=self.names[i], inside=self.inside[i],
            embeddings={k: v[i] for k, v in self.embeddings.items()},
            columns={k: v[i] for k, v in self.columns.items()},
        )  # fmt: skip

    def section(self, wanted: dict[str, needs.Need]) -> SectionInputs:
        data = {name: self._resolve(need) for name, need in wanted.items()}
        members = tuple(self.names[self.inside])
        scope = Scope() if self.inside.all() else Scope("selection", members, title="some spots")
        xy = self.array[:, ::-1] * np.array([100.0, 173.2])
        return SectionInputs(
            "toy", self.names, xy, self.inside, scope, self.um_per_px,
            self.array if self.lattice else None, self.hexagonal, data,
        )  # fmt: skip

    def _resolve(self, need: needs.Need) -> Any:
        if isinstance(need, needs.Expression):
            values = self.counts.astype(np.float32)
            if need.transform == "log":
                total = values.sum(axis=1, keepdims=True)
                values = 1e4 * values / np.where(total > 0, total, 1)
                values = np.sign(values) * np.log1p(np.abs(values))  # a bad count stays bad
            if need.inside_only:
                values = values * self.inside[:, None]
            genes = need.genes or self.genes
            values = values[:, [self.genes.index(g) for g in genes]]
            return Matrix2D(csr_matrix(values, dtype=np.float32), genes)
        if isinstance(need, needs.Column):
            if need.name in self.columns:
                return self.columns[need.name]
            return Categories(self.domain.astype(np.int32), DOMAINS)
        if isinstance(need, needs.Embedding):
            values = self.embeddings[need.key]
            names = tuple(f"kind {i + 1}" for i in range(values.shape[1]))
            return Named2D(values, names) if need.named else values
        if isinstance(need, needs.Outlines):
            return self.drawn
        if isinstance(need, needs.File):
            return Path(need.path)
        raise TypeError(need)


@pytest.fixture(scope="session")
def toy() -> Toy:
    """Three bands of tissue; 15 genes mark each band, the rest are alike everywhere."""
    rng = np.random.default_rng(5)
    row, column = (a.ravel() for a in np.mgrid[:ROWS, :COLUMNS])
    array = np.column_stack([row, 2 * column + row % 2])
    domain = np.digitize(column, [6, 11]).astype(np.int64)
    marks = [f"{name[0].upper()}G{i}" for name in DOMAINS for i in range(PER_DOMAIN)]
    others = ["MT-CO1", "MT-ND1", "RPL3", "RPS6", *(f"HK{i}" for i in range(56))]
    genes = tuple(marks + others)
    rate = rng.gamma(2.0, 1.0, len(genes))[None] * np.ones((len(row), 1))
    for k in range(3):
        rate[domain == k, k * PER_DOMAIN : (k + 1) * PER_DOMAIN] *= 4
    depth = rng.lognormal(0, 0.3, len(row))[:, None]
    names = np.array([f"r{r}c{c}" for r, c in zip(row, column, strict=True)], dtype=object)
    return Toy(rng.poisson(rate * depth), genes, domain, array, names, np.ones(len(row), bool))


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished analysis, checked against the contract."""

    analysis: Any
    inputs: Inputs
    params: Any
    result: Result
    progress: list[Any]

    def part(self, name: str) -> Any:
        return self.result.part(name)

    @property
    def charts(self) -> list[Chart]:
        return [p for p in self.result.parts[SHARED] if isinstance(p, Chart)]


@pytest.fixture(scope="session")
def run() -> Callable[..., Done]:
    """Run an analysis on a toy; its result has no problems and its charts fit their links."""

    def run(name: str, toy: Toy, /, *, seed: int = 0, **params: Any) -> Done:
        analysis = load_all()[name]()
        values = analysis.Params(**params)
        inputs = Inputs((toy.section(analysis.needs(values)),), seed=seed)
        steps = analysis.run(inputs, values)
        progress = []
        while True:
            try:
                progress.append(next(steps))
            except StopIteration as end:
                result = end.value
                break
        assert problems(result, inputs) == []
        fractions = [p.fraction for p in progress]
        assert fractions == sorted(fractions), "progress never goes back"
        done = Done(analysis, inputs, values, result, progress)
        for chart in done.charts:
            check_chart(chart, result)
        gives = getattr(analysis, "gives", None)
        if gives is not None:
            per_spot = (Labels, Values, Matrix, Graph)
            assert {p.name for p in result.parts["toy"] if isinstance(p, per_spot)} <= {*gives}
        if result.shows:
            assert result.part(result.shows)
        return done

    return run


def check_chart(chart: Chart, result: Result) -> None:
    """Plain JSON under 100 kB; columns of equal length; links name what is there."""
    text = json.dumps(dataclasses.asdict(chart), allow_nan=False)
    assert len(text) < 100_000, chart.name
    if chart.chart == "matrix":
        shape = (len(chart.data["rows"]), len(chart.data["columns"]))
        for key in {"values", "size"} & set(chart.data):
            assert np.array(chart.data[key], dtype=float).shape == shape, chart.name
        lengths = set(shape)
    elif chart.chart == "scatter" and isinstance(chart.data.get("x"), dict):
        for axis in ("x", "y"):
            stored = result.part(chart.data[axis]["value"])
            columns = np.asarray(stored.values).reshape(len(stored.values), -1).shape[1]
            assert chart.data[axis].get("column", 0) < columns
        lengths = {0}
    elif chart.chart == "network":
        nodes, edges = {"nodes", "size", "kind", "colour"}, {"from", "to", "weight"}
        lengths = {len(chart.data[key]) for key in nodes & set(chart.data)}
        assert len(lengths) == 1 == len({len(chart.data[key]) for key in edges})
        assert {*chart.data["from"], *chart.data["to"]} <= set(chart.data["nodes"])
    else:
        lengths = {len(column) for column in chart.data.values()}
        assert len(lengths) == 1, chart.name
    for link in chart.links:
        assert len(link.ids) in lengths, chart.name
        if link.kind == "category" and link.value:
            for parts in result.parts.values():
                for part in parts:
                    if isinstance(part, Labels) and part.name == link.value:
                        assert set(link.ids) - {""} <= set(part.categories)


@pytest.fixture(scope="session")
def her2st(real_data: Path) -> Callable[[str], Toy]:
    """A real section; its spots stand on a square array."""

    def load(name: str) -> Toy:
        import anndata as ad

        adata = ad.read_h5ad(real_data / "her2st" / name / "counts.h5ad")
        label = adata.obs["label"].astype(str).to_numpy()
        known = ~np.isin(label, ["undetermined", "nan", ""])
        _, domain = np.unique(label, return_inverse=True)
        array = adata.obs[["array_y", "array_x"]].to_numpy().astype(np.int64)
        return Toy(
            adata.X.toarray(), tuple(adata.var_names), domain, array,
            np.array(adata.obs_names, dtype=object), np.asarray(known),
            hexagonal=False,
        )  # fmt: skip

    return load
