"""Data for the gsMap benchmark: resources of any size, the demo's traits, the peer's program."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from napari_stml.io.gsmap import resource
from napari_stml.io.gsmap.tree import ResultTree, write_scores

if TYPE_CHECKING:
    from pathlib import Path

GENES, PER_SNP, CHROMOSOMES = 18_000, 20, 22

PEER_STEP = """
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
import logging
logging.disable(logging.INFO)
import torch
torch.set_num_threads(1)
from gsMap import config as c
job = json.loads(sys.argv[1])
kind, options = job["kind"], job["options"]
if kind == "ldsc":
    from gsMap.spatial_ldsc_multiple_sumstats import run_spatial_ldsc as run
    made = c.SpatialLDSCConfig(**options)
elif kind == "scores":
    from gsMap.latent_to_gene import run_latent_to_gene as run
    made = c.LatentToGeneConfig(**options)
else:
    from gsMap.cauchy_combination_test import run_Cauchy_combination as run
    made = c.CauchyCombinationConfig(**options)
start = time.process_time()
run(made)
used = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print("RESULT " + json.dumps(dict(seconds=used, gb=peak)))
"""


@dataclass(frozen=True)
class Used:
    """CPU seconds of a step, and the peak memory of its process in GB."""

    seconds: float
    gb: float


def peer(python: Path, kind: str, **options: Any) -> Used | None:
    """Run a step of gsMap in its own environment, one thread; None where it is not there."""
    if not python.exists():
        return None
    job = json.dumps({"kind": kind, "options": options})
    return _told([str(python), "-c", PEER_STEP, job])


def alone(program: Path, words: list[str]) -> Used:
    """Run a step of ours in a process of its own."""
    import sys

    found = _told([sys.executable, str(program), *words])
    assert found is not None
    return found


def _told(command: list[str]) -> Used:
    import os

    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    threads = {f"{name}_NUM_THREADS": "1" for name in names}
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, **threads})  # fmt: skip
    lines = [t for t in done.stdout.splitlines() if t.startswith("RESULT ")]
    if done.returncode or not lines:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    return Used(**json.loads(lines[-1].removeprefix("RESULT ")))


def write_resource(folder: Path, snps: int, seed: int) -> None:
    """A resource for quick mode: every SNP has LD to the genes around it."""
    import anndata as ad

    rng = np.random.default_rng(seed)
    first = np.clip((np.arange(snps) * GENES / snps).astype(int) - PER_SNP // 2, 0, GENES - PER_SNP)
    indices = (first[:, None] + np.arange(PER_SNP)).ravel()
    data = rng.gamma(0.6, 1.5, snps * PER_SNP).astype(np.float32)
    matrix = csr_matrix((data, indices, np.arange(0, snps * PER_SNP + 1, PER_SNP)),
                        shape=(snps, GENES))  # fmt: skip
    gene = np.asarray(matrix.sum(axis=1)).ravel()
    base = np.column_stack([gene, gene + rng.gamma(2, 15, snps)]).astype(np.float16)
    names = np.array([f"rs{i + 1}" for i in range(snps)], dtype=object)
    weight = rng.gamma(2, 5, snps) + 1
    for c, rows in enumerate(np.array_split(np.arange(snps), CHROMOSOMES), start=1):
        path = folder / f"{resource.BASELINE}{c}.l2.ldscore.feather"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"SNP": names[rows], "all_gene": base[rows, 0], "base": base[rows, 1]}
                     ).to_feather(path)  # fmt: skip
        path = folder / f"{resource.WEIGHTS}{c}.l2.ldscore.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"CHR": c, "SNP": names[rows], "BP": rows * 1000, "L2": weight[rows]}
                     ).to_csv(path, sep="\t", index=False)  # fmt: skip
    sample = ad.AnnData(matrix, obs=pd.DataFrame(index=pd.Index(names)),
                        var=pd.DataFrame(index=gene_names()))  # fmt: skip
    with ad.settings.override(allow_write_nullable_strings=False):
        sample.write_h5ad(folder / resource.MATRIX)


def gene_names() -> pd.Index:
    return pd.Index([f"GENE{i:05d}" for i in range(GENES)], dtype=object)


def write_trait(path: Path, snps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pd.DataFrame({
        "SNP": [f"rs{i + 1}" for i in range(snps)], "A1": "A", "A2": "G",
        "Z": rng.normal(0, 1.2, snps).round(3), "N": rng.integers(90_000, 100_000, snps),
    }).to_csv(path, sep="\t", index=False)  # fmt: skip


def write_spots(tree: ResultTree, spots: int, seed: int) -> None:
    """Specificity as sparse as a real section's, and the links quick mode makes."""
    rng = np.random.default_rng(seed)
    score = (rng.gamma(2, 1, (spots, GENES)) + 1.7).astype(np.float16)
    score[rng.random((spots, GENES), dtype=np.float32) < 0.7] = 0
    write_scores(tree.scores, list(gene_names()), [f"spot{i}" for i in range(spots)], score)


def counts_sample(path: Path, spots: int, seed: int) -> None:
    """Write counts of 18,000 genes, a fifth of them seen in a spot, with an embedding."""
    import anndata as ad
    from scipy.sparse import random

    rng = np.random.default_rng(seed)
    x = random(spots, GENES, 0.2, format="csr", random_state=seed, dtype=np.float32)
    x.data = np.log1p(np.ceil(x.data * 8)).astype(np.float32)
    sample = ad.AnnData(x, obs=pd.DataFrame(index=pd.Index([f"spot{i}" for i in range(spots)])),
                        var=pd.DataFrame(index=gene_names()))  # fmt: skip
    sample.obsm["spatial"] = rng.random((spots, 2)) * 1000
    sample.obsm["latent"] = rng.normal(size=(spots, 30)).astype(np.float32)
    with ad.settings.override(allow_write_nullable_strings=False):
        sample.write_h5ad(path)
