"""Small sections for tests of Runs, and an analysis that needs everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from napari_stml.core import needs
from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.params import LiveParams, Params, param
from napari_stml.core.progress import Progress
from napari_stml.core.results import Labels, Result, Table, Values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_stml.core.analysis import Live, Steps, Tab
    from napari_stml.core.inputs import Inputs

SPOTS, GENES = 40, 12
MODULE = "sections"


def write_section(path: Path, seed: int = 0, *, spots: int = SPOTS) -> Path:
    """An .h5ad with counts, two columns, an embedding and positions."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, (spots, GENES)).astype(np.float32)
    names = pd.Index([f"s{i}" for i in range(spots)], dtype=object)
    table = ad.AnnData(
        csr_matrix(counts),
        obs=pd.DataFrame({"domain": pd.Categorical(["a", "b"] * (spots // 2))}, index=names),
        var=pd.DataFrame(index=pd.Index([f"g{i}" for i in range(GENES)], dtype=object)),
    )
    table.obs["score"] = rng.random(spots)
    side = int(np.ceil(np.sqrt(spots)))
    grid = np.indices((side, side)).reshape(2, -1).T[:spots]
    table.obsm["spatial"] = grid[:, ::-1] * 10.0 + 5
    table.obsm["X_pca"] = rng.random((spots, 3))
    table.write_h5ad(path)
    return path


class ToyParams(Params):
    gene: str = param("g0", title="Gene", help="One.", source="gene")
    factor: float = param(2.0, title="Factor", help="Times.", gt=0)
    column: str = param("domain", title="Column", help="Groups.", source="category")
    fail: bool = param(False, title="Fail", help="On purpose.")
    bare: bool = param(False, title="Bare", help="Leave no value per observation.")


class ToyLive(LiveParams):
    factor: float = param(2.0, title="Factor", help="Times.", ge=0, le=10)


@register
class Toy:
    """Multiplies one gene and keeps the groups."""

    name: ClassVar[str] = "toy-sections"
    title: ClassVar[str] = "Toy"
    tab: ClassVar[Tab] = "prepare"
    sections: ClassVar[Literal["one", "many"]] = "many"
    context: ClassVar[Literal["inside", "around"]] = "inside"
    Params = ToyParams
    LiveParams = ToyLive

    def needs(self, params: Any) -> Mapping[str, needs.Need]:
        return {
            "counts": needs.Expression(genes=(params.gene,)),
            "groups": needs.Column(params.column),
        }

    def run(self, inputs: Inputs, params: Any) -> Steps:
        parts: dict[str, Any] = {}
        for i, section in enumerate(inputs.sections):
            yield Progress(i, len(inputs.sections), section.section)
            if params.fail:
                raise StmlError("It fails on purpose", do="untick Fail")
            if not params.bare:
                parts[section.section] = self.parts(section, params.factor)
        parts[""] = (Table("sizes", {"section": tuple(parts), "n": np.arange(len(parts))}),)
        return Result(parts, shows="" if params.bare else "scaled", notes=("a note",))

    def parts(self, section: Any, factor: float) -> tuple[Any, ...]:
        values = section["counts"].values.toarray()[:, 0] * factor
        groups = section["groups"]
        codes = np.where(section.inside, groups.codes, -1)
        scaled = np.where(section.inside, values, np.nan)
        return Values("scaled", scaled), Labels("groups", codes, groups.names)

    def live(self, result: Result, inputs: Inputs) -> Live:
        toy = self

        class Update:
            def update(self, params: Any, selection: tuple[str, ...] | None) -> Result:
                return Result({s.section: toy.parts(s, params.factor) for s in inputs.sections})

        return Update()
