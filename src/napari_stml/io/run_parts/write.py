"""Write the parts of a result as elements of a Run. Runs in the worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.results import (
    GeneValues,
    Graph,
    Heatmap,
    Labels,
    Mask,
    Matrix,
    Model,
    Part,
    Regions,
    Table,
    Tiles,
    Values,
    View,
)
from napari_stml.core.run_record import PartEntry
from napari_stml.io.run_parts import models
from napari_stml.io.run_parts.plain import SMALL, keys_for, plain, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.store import Staging


IN_SCOPE = "in_scope"
"""Column of a Run's table: which observations were inside."""


@dataclass(frozen=True)
class Rows:
    """The observations that a Run's table annotates.

    ``region`` is the store's element they belong to, None in an overlay store; ``instances``
    are their index values there; ``inside`` is None when the scope was the whole section.
    """

    names: NDArray[np.object_]
    region: str | None = None
    instances: NDArray[Any] | None = None
    inside: NDArray[np.bool_] | None = None


def write_parts(
    staging: Staging, section: str, parts: Sequence[Part], rows: Rows | None, *, ahead: str = ""
) -> tuple[PartEntry, ...]:
    """Stage all parts of one section (or of the Run as a whole) and say where they lie.

    ``ahead`` goes before the names of elements, where several sections share a staging.
    """
    keys = keys_for(part.name for part in parts)
    if ahead:
        ahead = keys_for([ahead])[ahead]
        alone = [p.name for p in parts if not isinstance(p, Values | Labels | Matrix | Graph)]
        keys = {n: f"{ahead}.{k}" if n in alone else k for n, k in keys.items()}
    entries: list[PartEntry] = []
    aligned = [p for p in parts if isinstance(p, Values | Labels | Matrix | Graph)]
    if aligned:
        if rows is None:
            raise StmlError("A part per observation needs observations", where=aligned[0].name)
        entries += _RunTable(staging, section, rows, dict(keys), ahead).write(aligned)
    for part in parts:
        if not isinstance(part, Values | Labels | Matrix | Graph):
            entries.append(_alone(staging, section, part, keys[part.name]))
    order = {part.name: i for i, part in enumerate(parts)}
    return tuple(sorted(entries, key=lambda e: order[e.name]))


def write_members(staging: Staging, section: str, rows: Rows, *, ahead: str = "") -> str:
    """Stage a table of nothing but who was inside, for a Run that leaves no other."""
    if ahead:
        ahead = keys_for([ahead])[ahead]
    return _RunTable(staging, section, rows, {}, ahead).write_scope()


class _RunTable:
    """The table ``stml.<run id>``: one row per observation."""

    def __init__(
        self, staging: Staging, section: str, rows: Rows, keys: dict[str, str], ahead: str
    ) -> None:
        self.staging, self.section, self.rows, self.keys = staging, section, rows, keys
        self.ahead = ahead

    def write(self, parts: Sequence[Values | Labels | Matrix | Graph]) -> list[PartEntry]:
        genes = [p for p in parts if isinstance(p, Matrix) and p.genes]
        table = self._empty(genes[0] if genes else None)
        entries = [self._put(table, p) for p in parts if not (isinstance(p, Matrix) and p.genes)]
        if self.rows.inside is not None:
            table.obs[IN_SCOPE] = self.rows.inside
        element = self._add("", table)
        entries = [e.model_copy(update={"element": element}) for e in entries]
        for i, part in enumerate(genes):
            own = element if i == 0 else self._add(self.keys[part.name], self._empty(part))
            entries.append(self._entry(part, element=own, key="X"))
        return entries

    def write_scope(self) -> str:
        table = self._empty(None)
        table.obs[IN_SCOPE] = self.rows.inside
        return self._add("", table)

    def _empty(self, genes: Matrix | None) -> ad.AnnData:
        import anndata as ad
        import pandas as pd

        obs = pd.DataFrame(index=pd.Index(self.rows.names, dtype=object))
        if genes is None:
            return ad.AnnData(obs=obs)
        var = pd.DataFrame(index=pd.Index(genes.columns, dtype=object))
        return ad.AnnData(X=genes.values, obs=obs, var=var)

    def _put(self, table: ad.AnnData, part: Values | Labels | Matrix | Graph) -> PartEntry:
        import pandas as pd

        key = self.keys[part.name]
        if isinstance(part, Values):
            table.obs[key] = np.asarray(part.values)
            return self._entry(part, key=key, unit=part.unit, scale=part.scale)
        if isinstance(part, Labels):
            names = list(part.categories)
            table.obs[key] = pd.Categorical.from_codes(
                np.asarray(part.codes, dtype=np.int64).tolist(), pd.Index(names, dtype=object)
            )
            return self._entry(part, key=key, categories=names, colours=list(part.colours))
        if isinstance(part, Graph):
            table.obsp[key] = part.matrix
            return self._entry(part, key=key)
        table.obsm[key] = part.values
        return self._entry(part, key=key, columns=list(part.columns))

    def _add(self, name: str, table: ad.AnnData) -> str:
        rows = self.rows
        name = ".".join(n for n in (self.ahead, name) if n)
        return self.staging.add_table(name, table, region=rows.region, instances=rows.instances)

    def _entry(self, part: Part, element: str = "", key: str = "", **look: Any) -> PartEntry:
        return PartEntry(
            name=part.name, kind=type(part).__name__, section=self.section, element=element,
            key=key, look={k: v for k, v in look.items() if v},
        )  # fmt: skip


def _alone(staging: Staging, section: str, part: Part, key: str) -> PartEntry:
    """A part with an element of its own, or one that is small enough for the record."""
    entry = PartEntry(name=part.name, kind=type(part).__name__, section=section, key=key)
    if isinstance(part, Heatmap):
        pixels = np.asarray(part.pixels, dtype=np.float32)[None]
        element = staging.add_image(key, pixels, channels=[key], affine=part.affine)
        look: dict[str, Any] = {"unit": part.unit, "scale": part.scale}
        look["affine"] = list(part.affine.values)
        if part.limits is not None:
            look["limits"] = list(part.limits)
        return entry.model_copy(update={"element": element, "look": look})
    if isinstance(part, Mask):
        element = staging.add_labels(key, part.pixels, affine=part.affine)
        classes = {str(k): v for k, v in part.classes.items()}
        placed = {"classes": classes, "affine": list(part.affine.values)}
        return entry.model_copy(update={"element": element, "look": placed})
    if isinstance(part, Tiles):
        columns = keys_for(part.values)
        element = staging.add_points(key, _tiles(part, columns))
        drawn: dict[str, Any] = {"side": part.side, "columns": dict(columns)}
        drawn["colour_by"] = part.colour_by
        return entry.model_copy(update={"element": element, "look": drawn})
    if isinstance(part, Regions):
        return entry.model_copy(update={"element": _regions(staging, part, key)})
    if isinstance(part, Table):
        return _table(staging, entry, dict(part.columns))
    if isinstance(part, GeneValues):
        titles = part.columns or tuple(str(i) for i in range(part.values.shape[1]))
        values = {c: part.values[:, i] for i, c in enumerate(titles)}
        return _table(staging, entry, {"gene": part.genes, **values})
    if isinstance(part, View):
        numbers = {k: list(v) for k, v in part.numbers.items()}
        seen = {"through": part.through, "numbers": numbers, "image": part.image}
        return entry.model_copy(update={"content": seen})
    if isinstance(part, Chart):
        return entry.model_copy(update={"content": _chart(part)})
    if isinstance(part, Model):
        table, digest = models.as_table(part)
        element = staging.add_table(key, table)
        return entry.model_copy(update={"element": element, "look": {"sha256": digest}})
    raise TypeError(f"{type(part).__name__} has an element per observation")


def _tiles(part: Tiles, columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    own = {column: part.values[name] for name, column in columns.items()}
    return pd.DataFrame({"x": part.xy[:, 0], "y": part.xy[:, 1], **own})


def _regions(staging: Staging, part: Regions, key: str) -> str:
    import geopandas as gpd
    import shapely

    names = part.names or tuple("" for _ in part.outlines)
    frame = gpd.GeoDataFrame(
        {"class": list(part.classes), "name": list(names)},
        geometry=list(shapely.from_wkb(list(part.outlines))),
    )
    return staging.add_shapes(key, frame)


def _table(staging: Staging, entry: PartEntry, columns: dict[str, Any]) -> PartEntry:
    content = {"columns": plain(columns)}
    if size_of(content) <= SMALL:
        return entry.model_copy(update={"content": content})
    import anndata as ad
    import pandas as pd

    keys = keys_for(columns)
    frame = pd.DataFrame({keys[name]: list(values) for name, values in columns.items()})
    frame.index = pd.Index([str(i) for i in range(len(frame))], dtype=object)
    element = staging.add_table(entry.key, ad.AnnData(obs=frame))
    look = {"columns": dict(keys)}
    return entry.model_copy(update={"element": element, "look": look})


def _chart(part: Chart) -> dict[str, Any]:
    from dataclasses import asdict

    content: dict[str, Any] = plain(asdict(part))
    if size_of(content) > SMALL:
        raise StmlError(
            "This chart is too large to be kept", where=part.name,
            do="draw it from the Run's values, or give fewer marks",
        )  # fmt: skip
    return content
