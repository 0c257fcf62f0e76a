"""Genes of A against B on her2st A1 (a pathologist's labels): ours against scanpy, all numbers.

``STML_DATA`` names the folder that holds ``her2st/A1/counts.h5ad``. Ours is run by the command
line on the stored file; scanpy's test is given the same spots and the same log values. Told, too:
in how many genes Wilcoxon's p differs when scanpy normalises by itself, whose last bits differ,
so that other values are equal in rank.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

A, B, COLUMN = "invasive cancer", "connective tissue", "label"
MOST = 1e-5


def ours(file: Path, test: str):
    import io

    from napari_stml.cli import main as napari_stml
    from napari_stml.io.section import Section

    with redirect_stdout(io.StringIO()):
        assert napari_stml(["run", "region-genes", str(file), "--column", COLUMN, "--first", A,
                            "--second", B, "--test", test]) == 0  # fmt: skip
    with Section.open(file) as section:
        shelf = section.shelf
        run = list(shelf.records)[-1]
        return shelf.part(run, "genes").columns


def theirs(file: Path, genes: list[str], test: str, *, own_log: bool = False):
    import anndata as ad
    import scanpy as sc
    from scipy.sparse import csr_matrix

    from napari_stml.methods.expression.normalise import log_per_target

    adata = ad.read_h5ad(file)
    if own_log:
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
    else:
        adata.X = log_per_target(csr_matrix(adata.X), 1e4)
        adata.uns["log1p"] = {"base": None}
    adata = adata[adata.obs[COLUMN].astype(str).isin([A, B]), genes].copy()
    adata.obs["group"] = adata.obs[COLUMN].astype(str).astype("category")
    sc.tl.rank_genes_groups(adata, "group", groups=[A], reference=B, method=test)
    return sc.get.rank_genes_groups_df(adata, A).set_index("names").loc[genes]


def main() -> None:
    import numpy as np

    from support.results import add_record, ratio, recorded

    parser = argparse.ArgumentParser(description=__doc__)
    add_record(parser)
    options = parser.parse_args()
    place = os.environ.get("STML_DATA")
    if not place:
        print("STML_DATA is not set: nothing measured.")
        return
    source = Path(place) / "her2st" / "A1" / "counts.h5ad"
    with recorded(__file__, options.record), tempfile.TemporaryDirectory() as folder:
        os.environ["STML_DATA_HOME"] = os.environ["STML_CACHE_HOME"] = folder
        file = Path(folder) / "A1.h5ad"
        file.write_bytes(source.read_bytes())
        for test in ("wilcoxon", "t-test"):
            mine = ours(file, test)
            genes = [str(g) for g in mine["gene"]]
            peer = theirs(file, genes, test)
            print(f"{test}: {len(genes)} genes, '{A}' against '{B}'; first {', '.join(genes[:5])}")
            own = theirs(file, genes, test, own_log=True)["pvals"].to_numpy(dtype=float)
            p = np.asarray(mine["p"], dtype=float)
            other = int((np.abs(p - own) > MOST * np.maximum(own, 1e-12)).sum())
            print(f"  with scanpy's own normalisation {other} of {len(genes)} p differ")
            for name, column in (("score", "scores"), ("logfc", "logfoldchanges"),
                                 ("p", "pvals"), ("p_adj", "pvals_adj")):  # fmt: skip
                x = np.asarray(mine[name], dtype=float)
                y = peer[column].to_numpy(dtype=float)
                assert (np.isfinite(x) == np.isfinite(y)).all(), name
                good = np.isfinite(x)
                off = np.abs(x - y)[good] / np.maximum(np.abs(y[good]), 1e-12 if "p" in name else 1)
                worst = float(off.max())
                ratio(f"region-genes-{test}-{name}", worst, None, "largest-difference",
                      worst / MOST, MOST, worst <= MOST)  # fmt: skip


if __name__ == "__main__":
    main()
