"""Results of gsMap, opened and written: tables of spots, of annotations, of genes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.gsmap.traits import safe_name
from napari_stml.io.gsmap.tree import need, same_input
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.io.gsmap.tree import ResultTree

SPOT_COLUMNS = ("spot", "beta", "se", "z", "p")


@dataclass(frozen=True)
class SpotTable:
    """One trait over spots: those that are not named were not tested.

    ``z`` is missing (NaN) where a file gives p alone.
    """

    trait: str
    path: Path
    spots: NDArray[np.object_]
    z: NDArray[np.float64]
    p: NDArray[np.float64]


@dataclass(frozen=True)
class Opened:
    """What was found of a run of gsMap."""

    tables: tuple[SpotTable, ...]
    version: str
    sample: str = ""
    genes: dict[str, Path] | None = None


def open_results(path: str | Path, trait: str = "") -> Opened:
    """Open a spatial_ldsc CSV, its folder, a sample's folder or a whole working folder."""
    path = Path(path)
    if path.is_file():
        return Opened((read_spots(path, trait),), version_of(path))
    if not path.is_dir():
        raise CannotOpenError("There is no such file or folder", where=path)
    folder = path if path.name == "spatial_ldsc" else path / "spatial_ldsc"
    if not folder.is_dir():
        samples = sorted(p.parent for p in path.glob("*/spatial_ldsc") if p.is_dir())
        if len(samples) != 1:
            names = ", ".join(p.name for p in samples)
            raise CannotOpenError(
                "This folder holds results of several samples" if samples
                else "This is no result folder of gsMap: it has no spatial_ldsc", where=path,
                do=f"open one of {names}" if samples else "open the folder of a sample",
            )  # fmt: skip
        folder = samples[0] / "spatial_ldsc"
    sample = folder.parent.name
    files = [p for p in sorted(folder.glob("*.csv*")) if (not trait or trait in p.name)]
    if not files:
        raise CannotOpenError("No table of spots is in this folder", where=folder)
    tables = _joined([read_spots(p, trait or _trait_of(p, sample)) for p in files])
    genes = {
        p.name.removeprefix(f"{sample}_").removesuffix("_Gene_Diagnostic_Info.csv"): p
        for p in sorted(folder.parent.glob("report/*/*_Gene_Diagnostic_Info.csv"))
    }
    return Opened(tables, version_of(folder.parent), sample, genes)


def read_spots(path: Path, trait: str = "") -> SpotTable:
    """Read a table of spots: gsMap's own, or one with barcodes and -log10 p."""
    import pandas as pd

    with reading(path, "The table of spots cannot be read"):
        table = pd.read_csv(path)
    name = trait or _trait_of(path, "")
    spot = _column(table, "spot", "barcode", "barcodes") or str(table.columns[0])
    p_name, z_name = _column(table, "p"), _column(table, "z")
    if p_name is not None:
        p = table[p_name].to_numpy(dtype=np.float64)
    else:
        logs = [c for c in table.columns if re.search(r"neg_?log10_?p|^logp$|-log10", str(c), re.I)]
        if len(logs) != 1:
            raise CannotOpenError(
                "The table has neither a column p nor one of -log10 p", where=path,
                do="gsMap's tables have the columns spot, beta, se, z and p",
            )  # fmt: skip
        p = 10.0 ** -table[logs[0]].to_numpy(dtype=np.float64)
        found = re.search(r"gsmap_(.+?)_neg_?log10", str(logs[0]), re.I)
        name = trait or (found.group(1) if found else name)
    z = np.full(len(p), np.nan) if z_name is None else table[z_name].to_numpy(dtype=np.float64)
    wrong = int(((p < 0) | (p > 1)).sum())
    if wrong:
        raise CannotOpenError(f"{wrong} values of p are not between 0 and 1", where=path)
    spots = table[spot].astype(str).to_numpy(dtype=object)
    if len(set(spots)) != len(spots):
        raise CannotOpenError("Some spots stand twice in the table", where=path,
                              do="open the table of one sample")  # fmt: skip
    return SpotTable(name, path, spots, z, p)


def whole_trait(tree: ResultTree, trait: str) -> SpotTable:
    """What step 4 left of a trait: one table, or the parts of ``--chunk_range`` together."""
    whole, name = tree.spots(trait), safe_name(trait)
    parts = sorted(whole.parent.glob(f"{tree.sample}_{name}_chunk*-*.csv.gz"))
    if whole.is_file() or not parts:
        parts = [need(whole, "run-spatial-ldsc"), *parts]
    for part in parts:
        same_input(part, tree.scores, "run-spatial-ldsc")
    return _joined([read_spots(p, name) for p in parts])[0]


def write_spots(
    path: Path, spots: Sequence[str], beta: NDArray[Any], se: NDArray[Any], z: NDArray[Any],
    p: NDArray[Any],
) -> None:  # fmt: skip
    """Write the spots that have a result, in full precision."""
    import pandas as pd

    tested = np.isfinite(z)
    values = dict(zip(SPOT_COLUMNS, (np.asarray(spots, dtype=object), beta, se, z, p), strict=True))
    table = pd.DataFrame({name: value[tested] for name, value in values.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})


def version_of(path: Path) -> str:
    """The version of gsMap, from the log or the report beside the results; else unknown."""
    folder = path if path.is_dir() else path.parent
    for candidate in [folder, *list(folder.parents)[:2]]:
        texts = [*candidate.glob("gsMap_pipeline_*.log"), *candidate.glob("report/*/*Report.html")]
        for text in sorted(texts):
            found = re.search(r"(?:gsMap|version)\D{0,20}v?(1\.\d+\.\d+)", _start(text), re.I)
            if found:
                return found.group(1)
    return "unknown"


def _start(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(200_000)


def _trait_of(path: Path, sample: str) -> str:
    name = re.sub(r"\.csv(\.gz|\.bz2)?$", "", path.name)
    name = re.sub(r"_chunk\d+-\d+$", "", name)
    return name.removeprefix(f"{sample}_") if sample else name


def _joined(tables: list[SpotTable]) -> tuple[SpotTable, ...]:
    """Parts of one trait (``_chunk1-2``) are one table."""
    traits = dict.fromkeys(t.trait for t in tables)
    found = []
    for trait in traits:
        own = [t for t in tables if t.trait == trait]
        spots = np.concatenate([t.spots for t in own])
        if len(set(spots)) != len(spots):
            raise StmlError("A whole table and parts of it lie in one folder", where=own[0].path,
                            do="remove the parts (_chunk...)")  # fmt: skip
        found.append(SpotTable(trait, own[0].path, spots, np.concatenate([t.z for t in own]),
                               np.concatenate([t.p for t in own])))  # fmt: skip
    return tuple(found)


def _column(table: Any, *names: str) -> str | None:
    lower = {str(c).casefold(): str(c) for c in table.columns}
    return next((lower[n] for n in names if n in lower), None)
