"""Features as they are computed, kept batch by batch, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.slide.grid import TileGrid

MOST_BYTES = 8 << 30
"""All kept features together; the longest unused go first."""


def cache_folder() -> Path:
    """Where features are kept: ``STML_CACHE_HOME`` or the user's cache folder."""
    home = os.environ.get("STML_CACHE_HOME")
    if home:
        return Path(home) / "features"
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-stml", appauthor=False)) / "features"


READING = 2
"""Raised when the same tile of the same slide would be read as other pixels."""


def signature(slide_key: str, grid: TileGrid, **more: object) -> str:
    """Slide, tiles and everything that changes a feature, as one key."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(np.ascontiguousarray(grid.xy, dtype=np.int64).tobytes())
    said = {"reading": READING, "slide": slide_key, "side": repr(grid.side), "pixels": grid.pixels,
            "um": repr(grid.um_per_px), **more}  # fmt: skip
    digest.update(json.dumps(said, sort_keys=True, default=str).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class FeatureStore:
    """Rows of features and a flag per batch, in two memory-mapped files of one folder.

    A row is written before its batch is flagged, so that a flag never lies, whenever the process
    is killed. A folder of another signature or shape is not read but made anew.
    """

    folder: Path
    features: NDArray[np.float32]
    done: NDArray[np.bool_]

    @classmethod
    def open(
        cls, key: str, rows: int, columns: int, batch: int, folder: Path | None = None
    ) -> FeatureStore:
        home = (folder or cache_folder()) / key
        batches = -(-rows // batch)
        meta = {"signature": key, "rows": rows, "columns": columns, "batch": batch, "format": 1}
        fits = _meta(home) == meta and _has(home, rows * columns * 4, batches)
        try:
            if not fits:
                _start(home, meta, rows * columns * 4, batches)
            mode: Any = "r+"
            features = np.memmap(home / "features.f32", np.float32, mode, shape=(rows, columns))
            done = np.memmap(home / "done.u8", np.bool_, mode, shape=(batches,))
            os.utime(home)
        except OSError as error:
            raise CannotSaveError(
                f"The features cannot be kept ({error.strerror})", where=home,
                do="free some space, or set STML_CACHE_HOME to another folder",
            ) from error  # fmt: skip
        return cls(home, features, done)

    def put(self, number: int, index: NDArray[np.intp], rows: NDArray[np.float32]) -> None:
        self.features[index] = rows
        self.done[number] = True

    @property
    def finished(self) -> frozenset[int]:
        """Numbers of the batches that need not be computed again."""
        return frozenset(map(int, np.flatnonzero(self.done)))


def tidy(folder: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
    """Remove the longest unused features beyond the limit."""
    home = folder or cache_folder()
    if not home.is_dir():
        return
    kept = sorted((p for p in home.iterdir() if p.is_dir()), key=lambda p: -p.stat().st_mtime)
    total = 0
    for each in kept:
        total += sum(f.stat().st_size for f in each.iterdir() if f.is_file())
        if total > most_bytes and each is not kept[0]:
            shutil.rmtree(each, ignore_errors=True)


def _meta(home: Path) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = json.loads((home / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _has(home: Path, nbytes: int, batches: int) -> bool:
    features, done = home / "features.f32", home / "done.u8"
    if not (features.is_file() and done.is_file()):
        return False
    return features.stat().st_size == nbytes and done.stat().st_size == batches


def _start(home: Path, meta: Mapping[str, Any], nbytes: int, batches: int) -> None:
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    for name, size in (("features.f32", nbytes), ("done.u8", batches)):
        with (home / name).open("wb") as file:
            file.truncate(size)
    (home / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
