"""One gene of a million cells: time and memory of ours, anndata's full read and its sparse read.

A synthetic zarr store (row-wise matrix, 100 values a cell, 5,000 genes) is written to a temporary
folder; every way runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from support.results import add_record, ratio, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

GENES = 5_000
PER_CELL = 100
GENE = "g1234"
REPEATS = 50
MEMORY_TARGET_MB = 4_000


def write_store(path: Path, cells: int) -> None:
    """Write cells x genes as a CSR AnnData tree without ever holding it."""
    import anndata as ad
    import pandas as pd
    import zarr
    from anndata.io import write_elem

    root = zarr.open_group(path, mode="w", zarr_format=3)
    obs = pd.DataFrame(
        {"domain": pd.Categorical.from_codes(np.arange(cells) % 7, list("abcdefg"))},
        index=[f"cell_{i:07d}" for i in range(cells)],
    )
    empty = ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(GENES)]))
    write_elem(root, "/", empty)
    group = root.require_group("X")
    group.attrs.update(
        {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [cells, GENES]}
    )
    length = cells * PER_CELL
    parts = {
        name: group.create_array(name, shape=(length,), chunks=(400_000,), dtype=dtype)
        for name, dtype in (("indices", "int32"), ("data", "float32"))
    }
    group.create_array("indptr", data=np.arange(cells + 1, dtype=np.int64) * PER_CELL)
    rng = np.random.default_rng(0)
    stride = GENES // PER_CELL
    for first in range(0, cells, 40_000):
        n = min(40_000, cells - first)
        columns = np.arange(PER_CELL) * stride + rng.integers(0, stride, (n, PER_CELL))
        span = slice(first * PER_CELL, (first + n) * PER_CELL)
        parts["indices"][span] = columns.ravel().astype(np.int32)
        parts["data"][span] = rng.geometric(0.5, n * PER_CELL).astype(np.float32)


def ours(path: Path) -> dict[str, float]:
    """Open, build the copy by columns, read one gene, then further genes."""
    from napari_stml.io.tables.disk import DiskTable

    start = time.perf_counter()
    table = DiskTable(path)
    opened = time.perf_counter()
    table.prepare_genes()
    built = time.perf_counter()
    total = float(table.gene(GENE).sum())
    names = [f"g{i}" for i in np.random.default_rng(1).integers(0, GENES, REPEATS)]
    further = []
    for name in names:
        begin = time.perf_counter()
        table.gene(name)
        further.append(time.perf_counter() - begin)
    joined = time.perf_counter()
    from napari_stml.io.tables.names import align

    _, missing = align(table, table.obs_names[::-1])
    return {
        "open_ms": 1e3 * (opened - start),
        "build_ms": 1e3 * (built - opened),
        "gene_ms": 1e3 * float(np.median(further)),
        "sum": total,
        "names_and_join_ms": 1e3 * (time.perf_counter() - joined),
        "missing": float(missing.sum()),
    }


def full(path: Path) -> dict[str, float]:
    import anndata as ad

    start = time.perf_counter()
    adata = ad.read_zarr(path)
    opened = time.perf_counter()
    total = float(adata[:, GENE].X.sum())
    return {
        "open_ms": 1e3 * (opened - start),
        "sum": total,
        "gene_ms": 1e3 * (time.perf_counter() - opened),
    }


def sparse(path: Path) -> dict[str, float]:
    import zarr
    from anndata.io import sparse_dataset

    start = time.perf_counter()
    matrix = sparse_dataset(zarr.open_group(path, mode="r")["X"])
    opened = time.perf_counter()
    total = float(matrix[:, int(GENE[1:])].sum())
    return {
        "open_ms": 1e3 * (opened - start),
        "sum": total,
        "gene_ms": 1e3 * (time.perf_counter() - opened),
    }


def zarr_columns(path: Path) -> dict[str, float]:
    """Our copy stored the other way: zarr arrays of 64k values a chunk."""
    import zarr

    from napari_stml.io.tables.gene_cache import cache_folder

    source = next(f for f in cache_folder().iterdir() if f.is_dir())
    pointer = np.load(source / "indptr.npy")
    root = zarr.open_group(path.parent / "columns.zarr", mode="w", zarr_format=3)
    start = time.perf_counter()
    for name in ("rows", "values"):
        stored = np.load(source / f"{name}.npy", mmap_mode="r")
        array = root.create_array(name, shape=stored.shape, chunks=(65_536,), dtype=stored.dtype)
        for first in range(0, len(stored), 64 * 65_536):
            array[first : first + 64 * 65_536] = stored[first : first + 64 * 65_536]
    written = time.perf_counter()
    times = []
    for j in np.random.default_rng(1).integers(0, GENES, REPEATS):
        begin = time.perf_counter()
        out = np.zeros(int(root["rows"][0]) + 1, dtype=np.float32)
        _ = (
            out,
            root["rows"][pointer[j] : pointer[j + 1]],
            root["values"][pointer[j] : pointer[j + 1]],
        )
        times.append(time.perf_counter() - begin)
    size = sum(f.stat().st_size for f in (path.parent / "columns.zarr").rglob("*") if f.is_file())
    plain = sum(f.stat().st_size for f in source.iterdir())
    return {
        "build_ms": 1e3 * (written - start),
        "gene_ms": 1e3 * float(np.median(times)),
        "size_mb": size / 1e6,
        "plain_size_mb": plain / 1e6,
    }


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {
    "ours": ours,
    "full": full,
    "sparse": sparse,
    "zarr_columns": zarr_columns,
}


def peak_mb() -> float:
    """Peak memory of this process; Linux' getrusage would still show the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(v for v in status.read_text().splitlines() if v.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def measure(way: str, path: Path) -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, __file__, "--child", way, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise SystemExit(f"{way} failed:\n{answer.stderr}")
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    print(f"{way:>12}: " + "  ".join(f"{k}={v:,.1f}" for k, v in found.items()), flush=True)
    return found


def at_most(what: str, mine: float, peer: float | None, value: float, target: float) -> None:
    ratio(what, mine, peer, "MB", value, target, value <= target)


def at_least(what: str, mine: float, peer: float | None, value: float, target: float) -> None:
    ratio(what, mine, peer, "ms", value, target, value >= target)


def main() -> None:
    """Write the store, run every way, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200,000 cells instead of a million")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "STORE"), help=argparse.SUPPRESS)
    add_record(parser)
    options = parser.parse_args()
    if options.child:
        way, store = options.child
        if options.child[0] == "ours" and os.environ.get("STML_BENCH_NO_MEMORY"):
            from napari_stml.io.tables import lazy

            lazy.IN_MEMORY_VALUES = 0
        found = WAYS[way](Path(store))
        found["peak_mb"] = peak_mb()
        print(json.dumps(found))
        return
    with recorded(__file__, options.record):
        compare(options.quick)


def compare(quick: bool) -> None:
    """Every way in a process of its own."""
    cells = 200_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STML_CACHE_HOME"] = f"{folder}/cache"
        if quick:
            # The smaller table would be turned in memory; here the copy on disk is measured.
            os.environ["STML_BENCH_NO_MEMORY"] = "1"
        store = Path(folder) / "cells.zarr"
        begin = time.perf_counter()
        write_store(store, cells)
        print(
            f"{cells:,} cells x {GENES:,} genes, {PER_CELL} values a cell, written in "
            f"{time.perf_counter() - begin:.1f} s",
            flush=True,
        )
        first = measure("ours", store)
        again = measure("ours", store)
        reread = measure("full", store)
        slice_ = measure("sparse", store)
        other = measure("zarr_columns", store)
    if not first["sum"] == reread["sum"] == slice_["sum"]:
        raise SystemExit("the ways disagree about the gene")
    target_mb = MEMORY_TARGET_MB * cells / 1_000_000
    target_mb = max(target_mb, 1_200)  # imports and blocks do not shrink with the table
    peak = first["peak_mb"]
    full, part = reread["peak_mb"], slice_["open_ms"] + slice_["gene_ms"]
    whole = again["open_ms"] + again["build_ms"]
    at_most("genes-peak-memory-vs-full-read", peak, full, peak / full, 1.0 if quick else 0.6)
    at_most("genes-peak-memory-of-limit", peak, None, peak / target_mb, 1.0)
    gene = again["gene_ms"]
    for what, other_ms, least in (
        ("genes-one-gene-vs-sparse-dataset", slice_["gene_ms"], 20 if quick else 100),
        ("genes-plain-files-vs-zarr-64k", other["gene_ms"], 1.0),
    ):
        at_least(what, gene, other_ms, other_ms / gene, least)
    first_gene = "genes-open-to-first-gene-with-copy"
    at_least(first_gene, whole, part, part / whole, 0.5 if quick else 1.0)


if __name__ == "__main__":
    main()
