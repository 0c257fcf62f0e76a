"""What instruments write: CSV, parquet and JSON, read with errors that say what is wrong."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

RECOPY = "copy the file again from the instrument's output"


def is_folder(path: object) -> bool:
    return isinstance(path, Path) and path.is_dir()


def first_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of these names that is a file in the folder."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def matching(folder: Path, *patterns: str) -> list[Path]:
    """Files by glob patterns, in the order of patterns then names, without hidden ones."""
    if not folder.is_dir():
        return []
    found = [p for pattern in patterns for p in sorted(folder.glob(pattern)) if p.is_file()]
    return [p for p in dict.fromkeys(found) if not p.name.startswith(".")]


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CannotOpenError(f"{path.name} is missing", where=path, do=RECOPY) from error
    except (OSError, ValueError) as error:
        raise CannotOpenError(
            f"Not a complete JSON file: {error}", where=path, do=RECOPY
        ) from error
    if not isinstance(content, dict):
        raise CannotOpenError("This JSON file does not hold named values", where=path, do=RECOPY)
    return content


def positive_number(values: dict[str, Any], key: str, where: Path) -> float:
    """A positive finite number of a JSON file, or an error that names the key."""
    value = values.get(key)
    if value is None:
        raise CannotOpenError(f"'{key}' is missing", where=where, do=RECOPY)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and value > 0):
        raise CannotOpenError(f"'{key}' is {value!r}, not a positive number", where=where)
    return float(value)


def read_frame(
    path: Path,
    needed: Sequence[str] = (),
    *,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
) -> pd.DataFrame:
    """A CSV (also gzipped) or parquet file with a header.

    Parameters
    ----------
    needed
        Columns without which this is not the right file.
    columns
        Read only these, as far as they exist.
    text
        Columns kept as text: ids that are too long for a float.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        if path.name.endswith(".parquet"):
            frame = _read_parquet(path, columns)
        else:
            wanted = None if columns is None else set(columns)
            frame = pd.read_csv(
                path,
                usecols=None if wanted is None else lambda name: name in wanted,
                dtype=dict.fromkeys(text, "str"),
                low_memory=False,
            )
    except FileNotFoundError as error:
        raise CannotOpenError(f"{path.name} is missing", where=path, do=RECOPY) from error
    except (OSError, ValueError, EOFError, zlib.error, pa.ArrowException) as error:
        raise CannotOpenError(f"Damaged or not a table: {error}", where=path, do=RECOPY) from error
    require_columns(frame, needed, path)
    return frame


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        table = file.read(columns=None if columns is None else [c for c in columns if c in names])
    frame: pd.DataFrame = table.to_pandas()
    return frame


def csv_header(path: Path) -> list[str]:
    """The column names of a CSV file (also gzipped)."""
    import pandas as pd

    try:
        return [str(name) for name in pd.read_csv(path, nrows=0).columns]
    except FileNotFoundError as error:
        raise CannotOpenError(f"{path.name} is missing", where=path, do=RECOPY) from error
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CannotOpenError(f"Damaged or not a table: {error}", where=path, do=RECOPY) from error


def require_columns(frame: pd.DataFrame, needed: Sequence[str], where: Path) -> None:
    if missing := [name for name in needed if name not in frame.columns]:
        listed = ", ".join(map(str, frame.columns[:12])) or "none"
        raise CannotOpenError(
            f"Column {', '.join(missing)} is missing; columns here: {listed}", where=where
        )


def as_text(values: Any) -> NDArray[np.object_]:
    """Ids as text, whether stored as text, bytes or whole numbers."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == array.round()).all():
        array = array.astype(np.int64)
    return np.array(
        [v.decode() if isinstance(v, bytes) else str(v) for v in array.tolist()], dtype=object
    )


def unique_names(values: Any, where: Path) -> NDArray[np.object_]:
    """Ids as text; an error when there are none or one occurs twice."""
    import pandas as pd

    names = as_text(values)
    if not len(names):
        raise CannotOpenError("The table is empty", where=where, do=RECOPY)
    twice = pd.Index(names).duplicated()
    if twice.any():
        raise CannotOpenError(
            f"{int(twice.sum())} names occur more than once, such as '{names[twice][0]}'",
            where=where,
            do="keep one row per barcode or cell",
        )
    return names


def finite_xy(frame: pd.DataFrame, x: str, y: str, where: Path) -> NDArray[np.float64]:
    """Positions (n, 2); an error for missing, infinite or non-numeric ones."""
    require_columns(frame, [x, y], where)
    try:
        xy = frame[[x, y]].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CannotOpenError(
            f"Positions in {x}, {y} are not numbers: {error}", where=where, do=RECOPY
        ) from error
    bad = ~np.isfinite(xy).all(axis=1)
    if bad.any():
        raise CannotOpenError(
            f"{int(bad.sum())} of {len(bad)} positions in {x}, {y} are missing or infinite",
            where=where,
            do="remove these rows",
        )
    return xy


def whole_numbers(frame: pd.DataFrame, name: str, where: Path) -> NDArray[np.int64]:
    """A column of whole numbers."""
    try:
        values = frame[name].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CannotOpenError(
            f"Column {name} does not hold numbers: {error}", where=where
        ) from error
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise CannotOpenError(f"Column {name} does not hold whole numbers", where=where)
    return values.astype(np.int64)


def one_of(name: str, value: object, possible: Sequence[str], where: Path) -> str:
    """A choice, checked; the error lists what is there."""
    text = str(value)
    if text not in possible:
        raise CannotOpenError(
            f"{name}={text} is not among the choices",
            where=where,
            do=f"choose one of: {', '.join(possible) or 'none'}",
        )
    return text
