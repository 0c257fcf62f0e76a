"""The structures of the tissue that are drawn: glands, vessels, fat vacuoles and cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_stml.demo.fibres import Fibres
from napari_stml.demo.layout import ADIPOSE, GLAND, IMMUNE, NEST_LEVEL, STROMA, TUMOUR, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray

CELL_TYPES = (
    "tumour",
    "epithelial",
    "fibroblast",
    "endothelial",
    "T_cell",
    "B_cell",
    "macrophage",
    "adipocyte",
)
(TUMOUR_CELL, EPITHELIAL, FIBROBLAST, ENDOTHELIAL, T_CELL, B_CELL, MACROPHAGE, ADIPOCYTE) = range(8)

# Cell types within nest, septum or stroma, lymphoid aggregate, around glands, around fat.
_MIX = {
    "nest": (0.93, 0.0, 0.01, 0.01, 0.015, 0.0, 0.035, 0.0),
    "stroma": (0.0, 0.0, 0.74, 0.09, 0.06, 0.02, 0.09, 0.0),
    "immune": (0.0, 0.0, 0.04, 0.03, 0.52, 0.34, 0.07, 0.0),
    "gland": (0.0, 0.0, 0.70, 0.10, 0.09, 0.04, 0.07, 0.0),
    "fat": (0.0, 0.0, 0.12, 0.14, 0.03, 0.01, 0.10, 0.60),
}
_SPACING_UM = {"nest": 11.6, "stroma": 21.0, "immune": 8.3, "gland": 20.0}
_VACUOLE_UM = 62.0


@dataclass(frozen=True)
class Rings:
    """Closed walls around a lumen: glands or vessels.

    ``wobble`` holds the amplitude and phase of the outline's second and third harmonics.
    """

    xy_um: FloatArray
    radius_um: FloatArray
    wall_um: FloatArray
    wobble: FloatArray

    def outline(self, index: NDArray[np.intp], angle: FloatArray) -> FloatArray:
        """Outer radius of rings ``index`` towards the angles."""
        a2, p2, a3, p3 = self.wobble[index].T
        shape = 1 + a2 * np.cos(2 * (angle - p2)) + a3 * np.cos(3 * (angle - p3))
        return np.asarray(self.radius_um[index] * shape)


@dataclass(frozen=True)
class Cells:
    """One row a cell; nuclei are ellipses turned by ``angle`` (x towards y)."""

    xy_um: FloatArray
    cell_type: NDArray[np.int8]
    axes_um: FloatArray
    angle: FloatArray
    pyknotic: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.xy_um)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Cells:
        return Cells(
            self.xy_um[index],
            self.cell_type[index],
            self.axes_um[index],
            self.angle[index],
            self.pyknotic[index],
        )


@dataclass(frozen=True)
class Anatomy:
    glands: Rings
    vessels: Rings
    vacuoles_um: FloatArray
    cells: Cells
    fibres: Fibres


def build(rng: np.random.Generator, layout: Layout) -> Anatomy:
    fibres = Fibres.random(rng, layout.width_um, layout.height_um)
    glands = _place_rings(rng, layout, GLAND, 104.0, (28.0, 82.0), (13.0, 18.0), 0.2)
    vessels = _place_rings(rng, layout, STROMA, 330.0, (11.0, 34.0), (4.0, 8.0), 0.2)
    vacuoles = _jittered(rng, layout, _VACUOLE_UM, 0.30)
    vacuoles = vacuoles[layout.weights_at(vacuoles)[:, ADIPOSE] > 0.3]
    sheets = [_sheet(rng, layout, fibres, part) for part in _SPACING_UM]
    groups = [
        g.take(_outside(g.xy_um, glands, 4.0) & _outside(g.xy_um, vessels, 2.0)) for g in sheets
    ]
    groups.append(_wall_cells(rng, glands, EPITHELIAL, 6.2, 0.66))
    groups.append(_wall_cells(rng, glands, EPITHELIAL, 17.0, 1.0))
    groups.append(_wall_cells(rng, vessels, ENDOTHELIAL, 13.0, 0.35))
    groups.append(_fat_cells(rng, layout, vacuoles))
    return Anatomy(glands, vessels, vacuoles, _join(groups), fibres)


def _jittered(
    rng: np.random.Generator, layout: Layout, spacing_um: float, jitter: float
) -> FloatArray:
    """A jittered triangular lattice over the tissue: regular packing without collisions."""
    rows = np.arange(0, layout.height_um, spacing_um * 0.866)
    cols = np.arange(0, layout.width_um, spacing_um)
    y, x = np.meshgrid(rows, cols, indexing="ij")
    x = x + (np.arange(len(rows)) % 2)[:, None] * spacing_um / 2
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    xy += rng.normal(0, jitter * spacing_um, xy.shape).clip(-0.45 * spacing_um, 0.45 * spacing_um)
    inside = (xy > 0).all(axis=1) & (xy[:, 0] < layout.width_um) & (xy[:, 1] < layout.height_um)
    xy = xy[inside]
    return np.asarray(xy[layout.tissue_at(xy) > 0.6])


def _place_rings(
    rng: np.random.Generator,
    layout: Layout,
    domain: int,
    spacing_um: float,
    radius_um: tuple[float, float],
    wall_um: tuple[float, float],
    wobble: float,
) -> Rings:
    xy = _jittered(rng, layout, spacing_um, 0.14)
    xy = xy[layout.weights_at(xy)[:, domain] > 0.75]
    radius = radius_um[0] + (radius_um[1] - radius_um[0]) * rng.beta(1.3, 2.2, len(xy))
    apart = _apart(xy, radius, 1.1)
    xy, radius = xy[apart], radius[apart]
    n = len(xy)
    wall = np.minimum(rng.uniform(*wall_um, n), radius * 0.6)
    shape = np.stack(
        [
            rng.uniform(0, wobble, n),
            rng.uniform(0, 2 * np.pi, n),
            rng.uniform(0, 0.6 * wobble, n),
            rng.uniform(0, 2 * np.pi, n),
        ],
        axis=1,
    )
    return Rings(xy, radius, wall, shape)


def _apart(xy: FloatArray, radius: FloatArray, factor: float) -> NDArray[np.bool_]:
    """Keep the earlier one of two rings that would overlap."""
    kept = np.ones(len(xy), dtype=np.bool_)
    for i, j in sorted(cKDTree(xy).query_pairs(2 * factor * radius.max(initial=1.0))):
        if kept[i] and np.hypot(*(xy[i] - xy[j])) < factor * (radius[i] + radius[j]):
            kept[j] = False
    return kept


def _join(groups: list[Cells]) -> Cells:
    return Cells(
        np.concatenate([g.xy_um for g in groups]),
        np.concatenate([g.cell_type for g in groups]),
        np.concatenate([g.axes_um for g in groups]),
        np.concatenate([g.angle for g in groups]),
        np.concatenate([g.pyknotic for g in groups]),
    )


def _sheet(rng: np.random.Generator, layout: Layout, fibres: Fibres, part: str) -> Cells:
    xy = _jittered(rng, layout, _SPACING_UM[part], 0.17)
    weights = layout.weights_at(xy)
    pick = (weights.cumsum(axis=1) < rng.random(len(xy))[:, None]).sum(axis=1)  # soft borders
    nest = layout.nests.at(xy) > NEST_LEVEL
    keep = {
        "nest": (pick == TUMOUR) & nest,
        "stroma": (pick == STROMA) | ((pick == TUMOUR) & ~nest),
        "immune": pick == IMMUNE,
        "gland": pick == GLAND,
    }[part]
    xy = xy[keep]
    infiltration, hypoxia = layout.infiltration_at(xy), layout.hypoxia_at(xy)
    if part == "nest":
        dead = rng.random(len(xy)) < 0.6 * np.clip(hypoxia - 0.55, 0, 1) / 0.45
        xy, infiltration, hypoxia = xy[~dead], infiltration[~dead], hypoxia[~dead]
    mix = np.tile(np.array(_MIX[part]), (len(xy), 1))
    if part in ("nest", "stroma"):
        gain = 0.5 * infiltration if part == "nest" else 0.6 * infiltration
        mix *= (1 - gain)[:, None]
        mix[:, T_CELL] += 0.72 * gain
        mix[:, MACROPHAGE] += 0.28 * gain
    kind = (mix.cumsum(axis=1) < rng.random(len(xy))[:, None]).sum(axis=1).clip(0, 7)
    flow = fibres.angle_at(xy)
    pyknotic = (rng.random(len(xy)) < 0.75 * np.clip(hypoxia - 0.5, 0, 1)) & (kind == TUMOUR_CELL)
    return _shaped(rng, xy, kind, flow, pyknotic)


def _outside(xy: FloatArray, rings: Rings, margin_um: float) -> NDArray[np.bool_]:
    if len(rings.xy_um) == 0:
        return np.ones(len(xy), dtype=np.bool_)
    distance, index = cKDTree(rings.xy_um).query(xy)
    delta = xy - rings.xy_um[index]
    outline = rings.outline(index, np.arctan2(delta[:, 1], delta[:, 0]))
    return np.asarray(distance > outline + margin_um)


def _wall_cells(
    rng: np.random.Generator, rings: Rings, kind: int, spacing_um: float, depth: float
) -> Cells:
    """Nuclei along the walls; ``depth`` 0 is the lumen's side, 1 the outer border."""
    count = np.maximum((2 * np.pi * rings.radius_um / spacing_um).astype(np.intp), 4)
    ring = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(ring)) - np.repeat(count.cumsum() - count, count)
    angle = 2 * np.pi * (step + rng.normal(0, 0.16, len(ring))) / count[ring]
    radius = rings.outline(ring, angle) - (1 - depth) * rings.wall_um[ring]
    radius += rng.normal(0, 0.09 if depth < 1 else 0.04, len(ring)) * rings.wall_um[ring]
    xy = rings.xy_um[ring] + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    flat = depth == 1.0 or kind == ENDOTHELIAL
    cells = _shaped(
        rng,
        xy,
        np.full(len(xy), kind),
        angle + (np.pi / 2 if flat else 0.0),
        np.zeros(len(xy), dtype=np.bool_),
    )
    axes = cells.axes_um * ([1.15, 0.42] if flat and kind == EPITHELIAL else [1.0, 1.0])
    return Cells(cells.xy_um, cells.cell_type, axes, cells.angle, cells.pyknotic)


def _fat_cells(rng: np.random.Generator, layout: Layout, vacuoles: FloatArray) -> Cells:
    """Nuclei pressed flat between two vacuoles, and what lives in the gussets."""
    if len(vacuoles) < 4:
        return _shaped(rng, np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))
    pairs = cKDTree(vacuoles).query_pairs(1.35 * _VACUOLE_UM, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    pairs = pairs[rng.random(len(pairs)) < 0.85]
    delta = vacuoles[pairs[:, 1]] - vacuoles[pairs[:, 0]]
    xy = vacuoles[pairs].mean(axis=1)
    nearest = cKDTree(vacuoles).query(xy)[0]
    wall = nearest > 0.48 * np.hypot(*delta.T)  # the two really share a wall
    xy, delta = xy[wall], delta[wall]
    side = np.stack([-delta[:, 1], delta[:, 0]], axis=1) * rng.uniform(-0.22, 0.22, (len(xy), 1))
    xy = xy + side
    keep = (layout.tissue_at(xy) > 0.6) & (layout.weights_at(xy)[:, ADIPOSE] > 0.45)
    xy, delta = xy[keep], delta[keep]
    kind = rng.choice(8, len(xy), p=np.array(_MIX["fat"]))
    along = np.arctan2(delta[:, 1], delta[:, 0]) + np.pi / 2
    cells = _shaped(rng, xy, kind, along, np.zeros(len(xy), dtype=np.bool_))
    return Cells(xy, cells.cell_type, cells.axes_um, along, cells.pyknotic)


# Long and short half axis (um) and their relative spread.
_NUCLEUS = np.array(
    [
        (5.4, 4.3, 0.20), (4.6, 3.1, 0.10), (7.0, 1.7, 0.22), (5.6, 1.5, 0.15), (3.1, 2.9, 0.08),
        (3.4, 3.2, 0.08), (4.3, 3.2, 0.15), (5.4, 1.4, 0.12),
    ]
)  # fmt: skip


def _shaped(
    rng: np.random.Generator,
    xy: FloatArray,
    kind: NDArray[np.intp],
    along: FloatArray,
    pyknotic: NDArray[np.bool_],
) -> Cells:
    """Give each cell its nucleus; spindle nuclei lie ``along``, round ones anyhow."""
    n = len(xy)
    size = np.exp(rng.normal(0, 1, (n, 2)) * _NUCLEUS[kind, 2:3])
    axes = _NUCLEUS[kind, :2] * size * np.where(pyknotic, 0.55, 1.0)[:, None]
    spindle = np.isin(kind, (FIBROBLAST, ENDOTHELIAL, EPITHELIAL, ADIPOCYTE))
    angle = np.where(spindle, along + rng.normal(0, 0.25, n), rng.uniform(0, np.pi, n))
    return Cells(xy, kind.astype(np.int8), axes, angle, pyknotic)
