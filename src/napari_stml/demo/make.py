"""Write the demo: a store with three sections, a small GWAS, and the planted gene sets."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError
from napari_stml.core.progress import Progress
from napari_stml.demo import genes, gwas, gwas_files, store
from napari_stml.demo.gwas_files import GwasPaths
from napari_stml.demo.layout import DOMAINS, IMMUNE
from napari_stml.demo.section import Tissue, domain_genes, sections

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO_VERSION = 1
"""Any change of what is drawn is a new version, whose floors are measured anew."""

ATTRS_KEY = "stml_demo"
GWAS_DOMAIN = IMMUNE
_GWAS_GENES = 120


@dataclass(frozen=True)
class DemoPaths:
    """What `make_demo` wrote."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "demo.zarr"

    @property
    def gwas(self) -> GwasPaths:
        return GwasPaths(self.folder / "gwas")

    @property
    def pathways(self) -> Path:
        """Gene sets in GMT form: the planted ones, then as many that mean nothing."""
        return self.folder / "pathways.gmt"


def make_demo(
    path: str | Path, seed: int = 0, *, progress: Callable[[Progress], None] | None = None
) -> DemoPaths:
    """Write the demo into the folder ``path``.

    An existing demo of the same version and seed is left as it is, with whatever was saved into
    it; anything else of that name is an error.
    """
    paths = DemoPaths(Path(path))
    if paths.store.exists():
        _accept_existing(paths, seed)
        return paths
    tell = _Teller(progress)
    tell(0.0, "Growing the tissue")
    programs, tissues = sections(seed)
    tell(0.15, "Simulating the GWAS")
    study = _study(
        seed, programs.names, domain_genes(programs, tissues[0], GWAS_DOMAIN, _GWAS_GENES)
    )
    paths.folder.mkdir(parents=True, exist_ok=True)
    gwas_files.write(study, paths.gwas.folder)
    paths.pathways.write_text(_gmt(seed, programs.names), encoding="utf-8")
    _write_store(paths.store, seed, programs.names, tissues, study, tell)
    tell(1.0, "The demo is ready")
    return paths


class _Teller:
    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress

    def __call__(self, share: float, text: str) -> None:
        if self._progress is not None:
            self._progress(Progress(round(100 * share), 100, text))


def _accept_existing(paths: DemoPaths, seed: int) -> None:
    import zarr

    attrs: Any = {}
    if (paths.store / "zarr.json").exists():
        root = zarr.open_group(paths.store, mode="r", use_consolidated=False)
        attrs = root.attrs.asdict().get(ATTRS_KEY, {})
    complete = paths.pathways.exists() and paths.gwas.gtf.exists()
    if not complete or attrs.get("version") != DEMO_VERSION or attrs.get("seed") != seed:
        raise CannotSaveError(
            "There is something else where the demo should go",
            where=paths.store,
            do="choose another folder, or move this one away",
        )


def _study(seed: int, names: tuple[str, ...], specific: tuple[str, ...]) -> gwas.Gwas:
    return gwas.simulate(np.random.default_rng([seed, 2]), names, specific)


def _gmt(seed: int, names: tuple[str, ...]) -> str:
    rng = np.random.default_rng([seed, 3])
    planted = {g for members in genes.PATHWAYS.values() for g in members}
    others = np.array([g for g in names if g not in planted], dtype=object)
    size = len(next(iter(genes.PATHWAYS.values())))
    sets = dict(genes.PATHWAYS)
    for i in range(genes.N_NULL_PATHWAYS):
        sets[f"DEMO_NULL_{i + 1}"] = tuple(rng.choice(others, size, replace=False))
    return "".join(f"{name}\tdemo\t" + "\t".join(members) + "\n" for name, members in sets.items())


def _write_store(
    target: Path,
    seed: int,
    names: tuple[str, ...],
    tissues: tuple[Tissue, ...],
    study: gwas.Gwas,
    tell: _Teller,
) -> None:
    import anndata as ad
    from spatialdata import SpatialData

    found: dict[str, Any] = {}
    shares = (0.0, 0.85, 0.93, 1.0)
    for k, tissue in enumerate(tissues):
        low, high = 0.2 + 0.6 * shares[k], 0.2 + 0.6 * shares[k + 1]
        text = f"Staining {tissue.spec.name}"

        def part(x: float, low: float = low, high: float = high, text: str = text) -> None:
            tell(low + x * (high - low), text)

        found |= store.elements(tissue, names, part)
    tell(0.8, "Writing the store")
    sdata = SpatialData.init_from_elements(found)
    sdata.attrs[ATTRS_KEY] = {
        "version": DEMO_VERSION,
        "seed": seed,
        "hash": content_hash(tissues, study),
        "um_per_px": {t.spec.name: t.spec.um_per_px for t in tissues},
        "gwas_domain": DOMAINS[GWAS_DOMAIN],
        "gwas_genes": list(study.causal_genes),
    }
    staged = target.with_name(f".{target.name}.partial")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        with ad.settings.override(auto_shard_zarr_v3=False):
            sdata.write(staged)
        staged.rename(target)
    except OSError as error:
        raise CannotSaveError(
            f"The demo could not be written: {error.strerror or error}",
            where=target,
            do="free some space (60 MB) or choose another folder",
        ) from error


def content_hash(tissues: tuple[Tissue, ...], study: gwas.Gwas) -> str:
    """SHA-256 of what the truth and the measurements consist of."""
    digest = hashlib.sha256()
    for t in tissues:
        for values in (
            t.lattice.xy_um, t.truth.domain, t.truth.proportions, t.truth.pathways, t.truth.module,
            t.rna.indices, t.rna.data, t.protein, t.cells.xy_um, t.cells.cell_type,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(values).tobytes())
    for z in study.z.values():
        digest.update(z.tobytes())
    digest.update(study.panel.genotypes.tobytes())
    return digest.hexdigest()
