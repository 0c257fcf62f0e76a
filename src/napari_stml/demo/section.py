"""One section from its specification: tissue, picture, spots, truth, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.demo import anatomy, expression, lattice, layout, render, truth
from napari_stml.demo.expression import Programs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

    from napari_stml.demo.anatomy import Cells
    from napari_stml.demo.lattice import Lattice
    from napari_stml.demo.truth import Truth


@dataclass(frozen=True)
class SectionSpec:
    """What differs between the sections of the demo.

    ``rna`` and ``protein`` say what was measured; what was not measured is drawn all the same
    and kept as truth. ``batch`` is the spread of the section's own factors (log scale).
    """

    name: str
    size_um: float
    um_per_px: float
    tissue_um2: float
    n_rows: int
    n_cols: int
    rna: bool
    protein: bool
    connected: bool
    batch: float
    h_gain: float
    e_gain: float


SECTIONS = (
    SectionSpec("section1", 7296.0, 0.95, 21.7e6, 78, 64, True, False, True, 0.0, 1.0, 1.0),
    SectionSpec("section2", 4608.0, 2.25, 8.8e6, 46, 40, True, True, False, 0.3, 1.15, 0.85),
    SectionSpec("section3", 4608.0, 2.25, 8.8e6, 46, 40, False, True, False, 0.3, 0.85, 1.12),
)


@dataclass(frozen=True)
class Tissue:
    """Everything of a section but its picture."""

    spec: SectionSpec
    scene: render.Scene
    lattice: Lattice
    truth: Truth
    rna: sparse.csr_matrix
    protein: NDArray[np.int64]
    connectivity: sparse.csr_matrix | None

    @property
    def cells(self) -> Cells:
        return self.scene.anatomy.cells

    def picture(self, on_part: Callable[[float], None] | None = None) -> render.RGB:
        return render.render(self.scene, on_part)


def grow(
    rng: np.random.Generator, spec: SectionSpec, programs: Programs, taken: set[str]
) -> Tissue:
    """Draw a section; ``taken`` collects the barcodes of all sections."""
    ground = layout.plan(rng, spec.size_um, spec.size_um, spec.tissue_um2)
    body = anatomy.build(rng, ground)
    prepared = render.Preparation.random(rng, ground, spec.h_gain, spec.e_gain)
    scene = render.Scene(ground, body, prepared, spec.um_per_px)
    spots = lattice.place(rng, ground, spec.n_rows, spec.n_cols, taken)
    known = truth.observe(rng, ground, body.cells, spots)
    rna = expression.rna_counts(rng, programs, known, spots, spec.batch)
    protein = expression.protein_counts(rng, programs, known, spots, spec.batch)
    links = truth.connectivity(rng, known.module) if spec.connected else None
    return Tissue(spec, scene, spots, known, rna, protein, links)


def sections(seed: int) -> tuple[Programs, tuple[Tissue, ...]]:
    """The programs and all sections of one seed, without pictures (seconds)."""
    streams = np.random.default_rng(seed).spawn(len(SECTIONS) + 1)
    programs = Programs.random(streams[0])
    taken: set[str] = set()
    grown = tuple(
        grow(rng, spec, programs, taken) for rng, spec in zip(streams[1:], SECTIONS, strict=True)
    )
    return programs, grown


def domain_genes(programs: Programs, tissue: Tissue, domain: int, count: int) -> tuple[str, ...]:
    """The genes whose expression, by composition, is highest in a domain over all others."""
    share = tissue.truth.proportions
    here = tissue.truth.domain == domain
    inside = share[here].mean(axis=0) @ programs.by_type
    elsewhere = share[~here].mean(axis=0) @ programs.by_type
    order = np.argsort(-(inside / elsewhere), kind="stable")[:count]
    return tuple(programs.names[i] for i in order)
