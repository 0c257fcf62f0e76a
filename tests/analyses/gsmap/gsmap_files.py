"""A small panel, its genes and traits, as gsMap's flags want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PEOPLE, PER_GENE, STEP = 80, 12, 200_000


@dataclass(frozen=True)
class Files:
    """Paths as gsMap's flags want them."""

    folder: Path
    snps: list[str]

    @property
    def panel(self) -> str:
        return str(self.folder / "panel" / "test")

    @property
    def keep(self) -> str:
        return str(self.folder / "hm")

    @property
    def gtf(self) -> str:
        return str(self.folder / "genes.gtf")

    def trait(self, name: str) -> Path:
        return self.folder / f"{name}.sumstats.gz"


def write_files(
    folder: Path, genes: Sequence[str], causal: Sequence[str], *, cm: bool = True
) -> Files:
    """Two chromosomes; the trait ``marked`` has its signal at the causal genes, ``null`` none."""
    rng = np.random.default_rng(0)
    (folder / "panel").mkdir(parents=True)
    names: list[str] = []
    signal: list[bool] = []
    lines = []
    for chromosome in (1, 2):
        own = [g for i, g in enumerate(genes) if i % 2 == chromosome - 1]
        bp, here = [], []
        for i, gene in enumerate(own):
            start = 100_000 + i * STEP
            strand = "+" if i % 3 else "-"
            lines.append(
                f"chr{chromosome}\tt\tgene\t{start}\t{start + 20_000}\t.\t{strand}\t.\t"
                f'gene_id "E{i}"; gene_name "{gene}";\n'
            )
            bp += sorted((start + rng.integers(-40_000, 150_000, PER_GENE)).tolist())
            here += [gene in causal] * PER_GENE
        order = np.argsort(bp, kind="stable")
        bp, here = [bp[i] for i in order], [here[i] for i in order]
        own_names = [f"rs{chromosome}{i:06d}" for i in range(len(bp))]
        names += own_names
        signal += here
        hidden = rng.normal(size=(len(bp), 2 * PEOPLE))
        for i in range(1, len(bp)):
            hidden[i] = 0.6 * hidden[i - 1] + 0.8 * hidden[i]
        allele = hidden > rng.uniform(-0.8, 0.8, len(bp))[:, None]
        dose = allele[:, :PEOPLE].astype(int) + allele[:, PEOPLE:]
        _write_bed(folder / "panel" / f"test.{chromosome}.bed", dose)
        with (folder / "panel" / f"test.{chromosome}.bim").open("w") as f:
            for name, at in zip(own_names, bp, strict=True):
                f.write(f"{chromosome} {name} {at / 1e6 if cm else 0} {at} A G\n")
        with (folder / "panel" / f"test.{chromosome}.fam").open("w") as f:
            f.writelines(f"p{i} p{i} 0 0 1 -9\n" for i in range(PEOPLE))
        (folder / f"hm.{chromosome}.snp").write_text("".join(f"{n}\n" for n in own_names))
    (folder / "genes.gtf").write_text("".join(lines))
    strong = np.where(np.array(signal), 2.2, 1.0)
    for name, sd in (("marked", strong), ("null", np.full(len(names), 1.3))):
        z = rng.normal(0, sd)
        table = pd.DataFrame({"SNP": names, "A1": "A", "A2": "G", "Z": z.round(3),
                              "N": rng.integers(50_000, 60_000, len(names))})  # fmt: skip
        table.to_csv(folder / f"{name}.sumstats.gz", sep="\t", index=False)
    return Files(folder, names)


def _write_bed(path: Path, dose: np.ndarray) -> None:
    code = np.array([3, 2, 0], dtype=np.uint8)[dose]
    padded = np.zeros((len(dose), -(-dose.shape[1] // 4) * 4), dtype=np.uint8)
    padded[:, : dose.shape[1]] = code
    four = padded.reshape(len(dose), -1, 4)
    packed = four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6
    path.write_bytes(b"\x6c\x1b\x01" + packed.tobytes())


def asked(files: Files, **changes: Any) -> dict[str, Any]:
    return {
        "sumstats": str(files.trait("marked")), "reference": "panel", "panel": files.panel,
        "gtf": files.gtf, "annotation": "domain", "embedding": "X_space", "blocks": 50,
        "alike": 9, "near": 40, **changes,
    }  # fmt: skip
