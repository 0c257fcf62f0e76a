"""Folds of her2st: sections that teach, sections that are predicted, genes, targets, scores."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from expression_data import CACHE, her2st, her2st_folder
from scipy.sparse import vstack

from napari_stml.methods.expression.normalise import log_per_target
from napari_stml.methods.expression_models.gene_choice import most_expressed
from napari_stml.methods.expression_models.samples import Slide, with_surroundings
from napari_stml.methods.expression_models.scores import pearson
from napari_stml.methods.expression_models.standing import FeatureScale
from napari_stml.methods.expression_models.targets import smoothed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

A, C = ("A1", "A2"), ("C2", "C3", "C4")
SPLITS = {
    "within patient": [(tuple(c for c in C if c != out), (out,)) for out in C],
    "A to C": [(A, C)],
    "C to A": [(C, A)],
}
MARKERS = (
    "ERBB2,GRB7,FASN,COL1A1,COL1A2,COL3A1,KRT8,KRT18,KRT19,EPCAM,CD24,CD3D,CD74,HLA-DRA,IGKC,IGHG3,"
    "MS4A1,GNAS,VIM,SPARC,FN1,ACTA2,FABP4,MGP,SCGB2A2,TFF1"
)
TARGETS = ("raw", "smoothed")
Arrays = list[np.ndarray]


def load(title: str) -> tuple[list[Slide], list[str]]:
    """All sections of a split with the genes that they share."""
    near = title == "within patient"
    names, um, tile_um = (C, 0.0, 112) if near else ((*A, *C), 3.2, 224)
    found = [her2st(n, um, tile_um) for n in names]
    common = set.intersection(*(set(s.genes) for s in found))
    genes = [g for g in found[0].genes if g in common]
    slides = []
    for s in found:
        place = {g: i for i, g in enumerate(s.genes)}
        counts = s.counts[:, [place[g] for g in genes]].tocsr()
        xy = s.xy_um / s.pitch_um
        slides.append(Slide(s.name, xy, s.features, s.tiles, counts, s.name[0]))
    return slides, genes


class Task:
    """One fold: slides, which of them teach, and targets of all gene lists side by side."""

    def __init__(
        self, slides: Sequence[Slide], genes: Sequence[str], train: Sequence[str],
        test: Sequence[str],
    ) -> None:  # fmt: skip
        self.slides = [s for s in slides if s.name in (*train, *test)]
        self.title = f"{'+'.join(train)}-{'+'.join(test)}"
        self.teaches = [s.name in train for s in self.slides]
        self.tests = [i for i, t in enumerate(self.teaches) if not t]
        logs = [log_per_target(s.counts, 1e4) for s in self.slides]
        seen = vstack([v for v, t in zip(logs, self.teaches, strict=True) if t]).tocsr()
        place = {g: i for i, g in enumerate(genes)}
        self.lists = {
            "HEG250": [genes[i] for i in most_expressed(seen, 250)],
            "785": [g for g in _published() if g in place],
            "markers": [g for g in MARKERS.split(",") if g in place],
        }
        self.genes = list(dict.fromkeys(g for v in self.lists.values() for g in v))
        columns = [place[g] for g in self.genes]
        raw = [np.asarray(v[:, columns].toarray(), dtype=np.float32) for v in logs]
        near = [smoothed(v, s.xy) for v, s in zip(raw, self.slides, strict=True)]
        self.y = {"raw": raw, "smoothed": near}
        self.centred = {k: [v - v.mean(axis=0) for v in y] for k, y in self.y.items()}
        self.spread = {
            k: np.maximum(self.taught(y).std(axis=0), 1e-6) for k, y in self.centred.items()
        }
        self.train_rows = [
            np.full(len(s), t) for s, t in zip(self.slides, self.teaches, strict=True)
        ]

    def taught(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([a for a, t in zip(arrays, self.teaches, strict=True) if t])

    def groups(self) -> np.ndarray:
        each = zip(self.slides, self.teaches, strict=True)
        return np.concatenate([np.full(len(s), i) for i, (s, t) in enumerate(each) if t])

    def columns(self, name: str) -> list[int]:
        return [self.genes.index(g) for g in self.lists[name]]

    def wanted(self, target: str) -> Arrays:
        return [np.asarray(v / self.spread[target], "f4") for v in self.centred[target]]

    def ready(self, around: str, scaling: str, slides: Sequence[Slide] = ()) -> list[Slide]:
        """The slides with features taken and scaled as asked."""
        near = [with_surroundings(s, around) for s in slides or self.slides]
        return [*map(FeatureScale.of(near, self.train_rows, scaling), near)]

    def scores(self, found: Arrays, target: str, name: str) -> tuple[np.ndarray, float, float]:
        """R by test section and gene, squared error, variance ratio; ``found`` are test sections.

        Squared errors are of values about the section's own mean.
        """
        at, y = self.columns(name), [self.y[target][i] for i in self.tests]
        level = [self.centred[target][i] for i in self.tests]
        each = list(zip(found, y, level, strict=True))
        r = np.stack([pearson(f[:, at], w[:, at]) for f, w, _ in each])
        mse = np.mean([((f - w)[:, at] ** 2).mean() for f, _, w in each])
        ratio = np.mean(
            [np.median(f[:, at].var(0) / np.maximum(w[:, at].var(0), 1e-9)) for f, w, _ in each]
        )
        return r, float(mse), float(ratio)

    def relooked(self, features: Sequence[np.ndarray]) -> list[Slide]:
        return [replace(s, features=f) for s, f in zip(self.slides, features, strict=True)]


def kept(words: Sequence[object], make: Callable[[], dict[str, Arrays]]) -> dict[str, Arrays]:
    """Predictions by target, computed once: a stopped benchmark goes on where it was."""
    digest = hashlib.blake2b(repr(tuple(words)).encode(), digest_size=10).hexdigest()
    file = CACHE / "expression" / f"{digest}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = {f"{k}:{i}": a for k, v in make().items() for i, a in enumerate(v)}
        part = file.with_suffix(".part.npz")
        np.savez(part, **{k: np.asarray(a, dtype=np.float16) for k, a in made.items()})
        part.rename(file)
    found: dict[str, Arrays] = {}
    with np.load(file) as arrays:
        for key in arrays.files:
            found.setdefault(key.split(":")[0], []).append(arrays[key].astype(np.float32))
    return found


def _published() -> list[str]:
    file: Path = her2st_folder() / "genes_785.json"
    listed = json.loads(file.read_text()) if file.exists() else []
    if isinstance(listed, list):
        return listed
    return next(v for v in listed.values() if isinstance(v, list))
