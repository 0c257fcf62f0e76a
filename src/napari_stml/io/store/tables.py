"""Tables in the form that every reader takes: text as categories, plain object indices.

pandas 3 with anndata refuses text in its own type, and anndata writes missing text as "nan" and
"None"; categories with object values avoid both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.store.names import check_keys

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

REGION_KEY = "region"
INSTANCE_KEY = "instance_id"


def storable(
    table: ad.AnnData, where: str, *, region: str | None = None, instances: Any = None
) -> ad.AnnData:
    """A table ready to be written; matrices are shared with the given one, nothing is changed.

    Parameters
    ----------
    table
        With or without genes; its ``obs_names`` are the barcodes.
    where
        The element's name, for messages.
    region
        The element that the table annotates; None for a table that annotates nothing.
    instances
        Per row the index value in that element; by default the column ``instance_id`` or else
        the barcodes.
    """
    import anndata as ad
    from spatialdata.models import TableModel

    obs = storable_frame(table.obs, where)
    result = ad.AnnData(
        X=table.X,
        obs=obs,
        var=storable_frame(table.var, where),
        obsm=_storable_values(table.obsm, where),
        varm=_storable_values(table.varm, where),
        obsp=_storable_values(table.obsp, where),
        varp=_storable_values(table.varp, where),
        layers=_storable_values(table.layers, where),
        uns={k: v for k, v in table.uns.items() if k != TableModel.ATTRS_KEY},
    )
    _check_nested(result.uns, where)
    if not obs.index.is_unique:
        raise CannotSaveError("Two observations have the same name", where=where)
    if region is None:
        return result
    import pandas as pd

    if instances is None:
        instances = obs.get(INSTANCE_KEY, obs.index)
    result.obs[REGION_KEY] = pd.Categorical.from_codes(
        [0] * result.n_obs, categories=pd.Index([region], dtype=object)
    )
    values = pd.Series(list(instances)).to_numpy()
    result.obs[INSTANCE_KEY] = values if values.dtype.kind in "iu" else values.astype(object)
    return TableModel.parse(result, region=region, region_key=REGION_KEY, instance_key=INSTANCE_KEY)


def storable_frame(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """A copy with text as categories, dates as text, and an object index."""
    import pandas as pd

    check_keys(map(str, frame.columns), where)
    columns = {str(name): _storable_column(frame[name]) for name in frame.columns}
    index = pd.Index(frame.index.astype(str).to_numpy(dtype=object), dtype=object)
    return pd.DataFrame(
        {name: column.set_axis(index) for name, column in columns.items()}, index=index
    )


def _storable_column(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        if categories.dtype.kind in "biuf":
            return column
        text = pd.Index(categories.astype(str).to_numpy(dtype=object), dtype=object)
        return column.cat.rename_categories(text)
    if column.dtype.kind in "biuf":  # nullable integers and booleans included
        return column
    known = column.notna().to_numpy()
    values = column.astype(object).to_numpy(copy=True)
    values[known] = [_text(v) for v in values[known]]
    values[~known] = None
    categories = pd.Index(sorted(set(values[known])), dtype=object)
    return pd.Series(pd.Categorical(values, categories=categories), index=column.index)


def _text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _storable_values(entries: Mapping[str, Any], where: str) -> dict[str, Any]:
    import pandas as pd

    check_keys(entries, where)
    return {
        key: storable_frame(value, where) if isinstance(value, pd.DataFrame) else value
        for key, value in entries.items()
    }


def _check_nested(entries: Mapping[Any, Any], where: str) -> None:
    _check_text(entries, where)
    check_keys(entries, where)
    for value in entries.values():
        if isinstance(value, Mapping):
            _check_nested(value, where)
        elif isinstance(value, (tuple, set)):
            raise CannotSaveError(
                "A table's uns cannot hold tuples or sets", where=where, do="store a list instead"
            )


def _check_text(keys: Iterable[Any], where: str) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise CannotSaveError(f"The uns key {key!r} is not text", where=where)
