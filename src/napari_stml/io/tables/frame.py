"""Columns of obs and var as AnnData stores them, one at a time, old and new encodings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

PLAIN_ARRAYS = {("array", "0.2.0"), ("string-array", "0.2.0")}


def is_group(node: Any) -> bool:
    return hasattr(node, "keys")


def check_frame(node: Any, name: str, where: object) -> None:
    if not is_group(node):
        raise CannotOpenError(
            f"'{name}' is stored as anndata did before version 0.7",
            where=where,
            do="open the file once with anndata and save it again",
        )
    if index_key(node) not in node:
        raise CannotOpenError(f"'{name}' has no names of its rows", where=where)


def index_key(node: Any) -> str:
    return str(node.attrs.get("_index", "_index"))


def frame_length(node: Any) -> int:
    index = node[index_key(node)]
    if is_group(index):
        index = index["codes" if "codes" in index else "values"]
    return int(index.shape[0])


def frame_index(node: Any) -> NDArray[np.object_]:
    return np.asarray(read_column(node, index_key(node)), dtype=object)


def frame_columns(node: Any) -> tuple[str, ...]:
    order = node.attrs.get("column-order")
    if order is None:
        keys = sorted(k for k in node.keys() if not k.startswith("__"))  # noqa: SIM118
        return tuple(k for k in keys if k != index_key(node))
    return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in order)


def read_column(node: Any, name: str) -> Any:
    """The values of one column: an array, a Categorical or a nullable array of pandas."""
    item = node[name]
    categories = None if is_group(item) else item.attrs.get("categories")
    if categories is not None:
        return _old_categorical(node, item, categories)
    return read_part(item)


def is_text(node: Any) -> bool:
    """Whether a column holds text or categories, without reading it."""
    encoding = str(node.attrs.get("encoding-type", ""))
    if "categories" in node.attrs or "categorical" in encoding or "string" in encoding:
        return True
    return not is_group(node) and node.dtype.kind in "OSUT"


def read_part(node: Any) -> Any:
    """Read any element; what anndata 0.7 wrote without naming its encoding, quietly.

    Plain arrays, text and categories are read here: opening a section needs no more, and a
    window would wait a third of a second for anndata to be imported.
    """
    encoding = str(node.attrs.get("encoding-type", "")), str(node.attrs.get("encoding-version"))
    if encoding in PLAIN_ARRAYS and not is_group(node):
        text = hasattr(node, "asstr") and encoding[0] == "string-array"
        return (node.asstr() if text else node)[()]
    if encoding == ("categorical", "0.2.0"):
        return _categorical(node)
    from anndata.io import read_elem

    if encoding[0]:
        return read_elem(node)
    if not is_group(node) and node.shape and node.dtype.names is None:
        text = hasattr(node, "asstr") and node.dtype.kind in "OS"
        return (node.asstr() if text else node)[...]
    from anndata import OldFormatWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OldFormatWarning)
        return read_elem(node)


def _categorical(node: Any) -> pd.Categorical:
    import pandas as pd

    found: pd.Categorical = pd.Categorical.from_codes(
        read_part(node["codes"]), read_part(node["categories"]),
        ordered=bool(node.attrs.get("ordered", False)),
    )  # fmt: skip
    return found


def _old_categorical(node: Any, codes: Any, categories: Any) -> pd.Categorical:
    """Codes beside `__categories`, linked by reference (h5) or relative path (zarr)."""
    import pandas as pd

    stored = node[categories] if isinstance(categories, str) else codes.file[categories]
    ordered = bool(stored.attrs.get("ordered", False))
    values = pd.Index(list(read_part(stored)))
    found: pd.Categorical = pd.Categorical.from_codes(
        np.asarray(codes[...], dtype=np.int64), values, ordered=ordered
    )
    return found


def tidy(values: Any, index: pd.Index, name: str) -> pd.Series[Any]:
    """A series in which text is a categorical with categories of plain Python text."""
    import pandas as pd

    series = pd.Series(values, index=index, name=name, copy=False)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series
    if series.dtype.kind in "OUS" or pd.api.types.is_string_dtype(series.dtype):
        missing = series.isna()
        text = series.astype(object).where(~missing, None)
        text[~missing] = [
            v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in text[~missing]
        ]
        categories = pd.Index(sorted(text[~missing].unique()), dtype=object)
        series = pd.Series(pd.Categorical(text, categories=categories), index=index, name=name)
    return series


def read_frame(node: Any, index: pd.Index) -> pd.DataFrame:
    import pandas as pd

    columns = {c: tidy(read_column(node, c), index, c) for c in frame_columns(node)}
    return pd.DataFrame(columns, index=index)
