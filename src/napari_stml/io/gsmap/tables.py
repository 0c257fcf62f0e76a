"""Tables as gsMap and LDSC keep them: feather, parquet, or text, packed or not, by chromosome."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    import pandas as pd

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
        with cast("Any", gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
            first = file.readline() if path.suffix != ".bz2" else ""
        if "\t" in first and " " not in first:
            return _tabbed(path)
        return pd.read_csv(path, sep=r"\s+")


def _tabbed(path: Path) -> pd.DataFrame:
    """Quicker than pandas; missing values and all."""
    from pyarrow import csv

    table = csv.read_csv(
        path, parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            null_values=["", "NA", "NaN", "nan", "."], strings_can_be_null=True
        ),
        read_options=csv.ReadOptions(use_threads=False),
    )  # fmt: skip
    found: pd.DataFrame = table.to_pandas()
    return found


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
