"""Tables as gsMap and LDSC keep them: feather, parquet, or text, packed or not, by chromosome."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

CHROMOSOMES = tuple(range(1, 23))
_BEST = (".feather", ".parquet", ".gz", ".bz2", "")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table by what its name ends with; text is cut at white space."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    with reading(path):
        if path.suffix == ".feather":
            return pd.read_feather(path)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix != ".bz2" and _is_tabbed(_first_line(path)):
            tabbed: pd.DataFrame = _arrow(path).to_pandas()
            return tabbed
        return pd.read_csv(path, sep=r"\s+")


def read_columns(path: str | Path, wanted: Callable[[str], bool]) -> dict[str, NDArray[Any]]:
    """Read only the columns that are ``wanted``, as arrays: quicker than a frame of all."""
    path = Path(path)
    if not path.is_file():
        raise CannotOpenError("There is no such file", where=path)
    with reading(path):
        if path.suffix == ".feather":
            from pyarrow import feather

            table = feather.read_table(path)
        else:
            first = "" if path.suffix in {".parquet", ".bz2"} else _first_line(path)
            if not _is_tabbed(first):
                frame = read_table(path)
                return {str(c): frame[c].to_numpy() for c in frame.columns if wanted(str(c))}
            titles = first.rstrip("\r\n").split("\t")
            table = _arrow(path, [t for t in titles if wanted(t)])
        return {n: table.column(n).to_numpy() for n in table.column_names if wanted(n)}


def _first_line(path: Path) -> str:
    with cast("Any", gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
        line: str = file.readline()
    return line


def _is_tabbed(first: str) -> bool:
    return "\t" in first and " " not in first


def _arrow(path: Path, columns: Sequence[str] = ()) -> Any:
    """Tabbed text, quicker than pandas reads it; missing values and all."""
    from pyarrow import csv

    return csv.read_csv(
        path, parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            null_values=["", "NA", "NaN", "nan", "."], strings_can_be_null=True,
            include_columns=list(columns) or None,
        ),
        read_options=csv.ReadOptions(use_threads=False),
    )  # fmt: skip


def root_of(path: str) -> str:
    """What the files of all chromosomes begin with, from one of them or from itself."""
    return re.sub(r"\.\d+\.(bed|bim|fam|snp)$", "", path)


def by_chromosome(prefix: str | Path, ending: str = ".l2.ldscore") -> dict[int, Path]:
    """Files ``<prefix><chromosome><ending>...``, one for each chromosome.

    Where a chromosome has several (feather beside gz) the quicker one is taken; gsMap would read
    both, and count every SNP twice.
    """
    prefix = Path(prefix)
    pattern = re.compile(re.escape(prefix.name) + r"(\d+)" + re.escape(ending) + r"(\.\w+)?$")
    found: dict[int, Path] = {}
    for path in sorted(prefix.parent.glob(f"{prefix.name}*")):
        match = pattern.match(path.name)
        if match is None or (match.group(2) or "") not in _BEST:
            continue
        number = int(match.group(1))
        known = found.get(number)
        if known is None or _rank(path) < _rank(known):
            found[number] = path
    return dict(sorted(found.items()))


def missing_chromosomes(found: dict[int, Path]) -> tuple[int, ...]:
    return tuple(c for c in CHROMOSOMES if c not in found)


def _rank(path: Path) -> int:
    return _BEST.index(path.suffix) if path.suffix in _BEST else len(_BEST)
