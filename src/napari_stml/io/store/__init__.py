"""Save into SpatialData stores so that nothing is lost at any kill."""

from __future__ import annotations

from napari_stml.io.store.lock import StoreBusyError
from napari_stml.io.store.overlay import Kept, find_store, store_for
from napari_stml.io.store.raster import Raster
from napari_stml.io.store.runs import StoredRun
from napari_stml.io.store.save_as import Part, save_as
from napari_stml.io.store.staging import Staging
from napari_stml.io.store.store import Store, is_spatialdata
from napari_stml.io.store.watch import Change, ChangedElsewhereError

__all__ = [
    "Change",
    "ChangedElsewhereError",
    "Kept",
    "Part",
    "Raster",
    "Staging",
    "Store",
    "StoreBusyError",
    "StoredRun",
    "find_store",
    "is_spatialdata",
    "save_as",
    "store_for",
]
