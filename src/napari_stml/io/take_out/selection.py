"""What is taken out: observations in their order, and the columns that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.contents import Observations


def chosen(observations: Observations, selection: ArrayLike | None) -> NDArray[np.intp]:
    """Positions of the observations: all, those of a mask, of positions, or of names."""
    if selection is None:
        return np.arange(len(observations), dtype=np.intp)
    wanted = np.asarray(selection)
    if wanted.dtype == bool:
        if wanted.shape != (len(observations),):
            raise ValueError(f"the mask has {wanted.shape} for {len(observations)} observations")
        found = np.flatnonzero(wanted)
    elif wanted.dtype.kind in "iu":
        found = wanted
    else:
        from napari_stml.io.tables.names import positions

        found = positions(observations.names, wanted.astype(object))
        if (found < 0).any():
            raise CannotSaveError(
                f"There is no observation '{wanted[int(np.argmin(found))]}'",
                do="select observations of this section",
            )
    if not len(found):
        raise CannotSaveError("Nothing is selected", do="select at least one observation")
    return np.asarray(found, dtype=np.intp)


def aligned_columns(
    columns: pd.DataFrame | None, names: NDArray[np.object_]
) -> dict[str, pd.Series[Any]]:
    """Columns of the caller (a Run's values, regions) at the chosen observations."""
    if columns is None:
        return {}
    import pandas as pd

    frame = columns.reindex(pd.Index(names, dtype=object))
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise CannotSaveError(f"The column '{twice}' is given twice", do="rename one of them")
    return {str(c): frame[c] for c in frame.columns}


def storable(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column that every AnnData reads back: text as categories of plain text, dates as text.

    Text in object columns would come back as "nan" where it is missing, and pandas 3's text
    type is refused by AnnData's writer.
    """
    import pandas as pd

    if values.dtype.kind in "mM":
        text = values.astype(str).astype(object).where(values.notna(), None)
        return _classes(text)
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = values.cat.categories
        if categories.dtype.kind in "OUS" or pd.api.types.is_string_dtype(categories.dtype):
            plain = pd.Index([str(c) for c in categories], dtype=object)
            recoded = pd.Categorical.from_codes(
                values.cat.codes.to_numpy(), plain, ordered=bool(values.cat.ordered)
            )
            return pd.Series(recoded, index=values.index, name=values.name)
        return values
    if values.dtype.kind == "O" or pd.api.types.is_string_dtype(values.dtype):
        objects = values.astype(object)
        known = objects.dropna()
        if len(known) and all(isinstance(v, (bool, np.bool_)) for v in known):
            return objects.astype("boolean")
        return _classes(objects.where(objects.isna(), objects.map(str)))
    return values


def _classes(text: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    categories = pd.Index(sorted(text.dropna().unique()), dtype=object)
    return pd.Series(pd.Categorical(text, categories=categories), index=text.index, name=text.name)
