"""A Run's elements before they are published: written and flushed by the worker process."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.store import files
from napari_stml.io.store.layout import elements_in
from napari_stml.io.store.names import check_key, element_name
from napari_stml.io.store.raster import Raster, write_raster
from napari_stml.io.store.tables import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import anndata as ad
    import geopandas as gpd

    from napari_stml.core.geometry import Affine
    from napari_stml.io.contents import ElementKind

_FINISHED = "finished.json"


@dataclass(frozen=True)
class Staging:
    """Names a folder that nobody reads yet; picklable, so that a worker can fill it.

    Every ``add_...`` writes one element complete or not at all, under the name
    ``stml.<run id>`` (without a part name) or ``stml.<run id>.<part>``.
    """

    folder: Path
    run_id: str

    def add_table(
        self, part: str, table: ad.AnnData, *, region: str | None = None, instances: Any = None
    ) -> str:
        """Add a table; see `tables.storable` for ``region`` and ``instances``."""
        name = element_name(self.run_id, part)
        ready = storable(table, name, region=region, instances=instances)
        return self._add("tables", name, lambda target: write_element(target, "tables", ready))

    def add_shapes(self, part: str, shapes: gpd.GeoDataFrame) -> str:
        """Add polygons or circles (SpatialData's rules; a plain frame counts as pixels)."""
        name = element_name(self.run_id, part)
        return self._add("shapes", name, lambda target: write_element(target, "shapes", shapes))

    def add_points(self, part: str, points: Any) -> str:
        """Add points: a data frame with x and y, or what SpatialData's PointsModel returned."""
        name = element_name(self.run_id, part)
        return self._add("points", name, lambda target: write_element(target, "points", points))

    def add_labels(
        self, part: str, mask: Any, *, affine: Affine | None = None, system: str = "global"
    ) -> str:
        """Add a mask, (y, x), with its map to the coordinate system."""
        raster = mask if isinstance(mask, Raster) else Raster.of_mask(mask)
        return self._add_raster("labels", part, raster, affine, system)

    def add_image(
        self,
        part: str,
        image: Any,
        *,
        channels: Sequence[str] | None = None,
        affine: Affine | None = None,
        system: str = "global",
    ) -> str:
        """Add an image, (c, y, x), as a pyramid."""
        raster = image if isinstance(image, Raster) else Raster.of_image(image, channels)
        return self._add_raster("images", part, raster, affine, system)

    def finish(self) -> tuple[str, ...]:
        """Flush everything; only then can the elements be published. Returns their paths."""
        paths = self.elements
        with files.saving(f"The results of {self.run_id} are", self.folder):
            (self.folder / _FINISHED).write_text(json.dumps(paths))
            files.flush_tree(self.folder)
        return paths

    @property
    def elements(self) -> tuple[str, ...]:
        """Paths ``<kind>/<name>`` of what was added so far."""
        return tuple(elements_in(self.folder))

    def finished(self) -> tuple[str, ...]:
        """The paths that `finish` flushed; raises when it did not come to its end."""
        try:
            paths = json.loads((self.folder / _FINISHED).read_text())
        except (OSError, ValueError) as error:
            raise CannotSaveError(
                f"The results of {self.run_id} are not complete",
                where=self.folder,
                do="run the analysis again",
            ) from error
        return tuple(paths)

    def discard(self) -> None:
        """Drop what was written."""
        files.remove_tree(self.folder)

    def _add_raster(
        self, kind: ElementKind, part: str, raster: Raster, affine: Affine | None, system: str
    ) -> str:
        def write(target: Path) -> None:
            write_raster(target, raster, affine=affine, coordinate_system=system)

        return self._add(kind, element_name(self.run_id, part), write)

    def _add(self, kind: ElementKind, name: str, write: Callable[[Path], None]) -> str:
        check_key(name, kind)
        if any(p.partition("/")[2].casefold() == name.casefold() for p in self.elements):
            raise CannotSaveError("This Run already has a part of that name", where=name)
        draft = self.folder / "draft" / name
        with files.saving(f"The results of {self.run_id} are", self.folder):
            files.remove_tree(draft)
            draft.parent.mkdir(exist_ok=True)
            write(draft)
            (self.folder / kind).mkdir(exist_ok=True)
            files.move(draft, self.folder / kind / name)
        return name


def write_element(target: Path, kind: ElementKind, element: Any) -> None:
    """Write one element as the folder ``target``, through spatialdata's public interface."""
    import anndata as ad
    import spatialdata

    box = target.parent / "box"
    files.remove_tree(box)
    # small chunks in files of their own: anndata is about to make 1 GB shards its default
    with warnings.catch_warnings(), ad.settings.override(auto_shard_zarr_v3=False):
        # the annotated element lies in the store, not in this box
        warnings.filterwarnings("ignore", message="The table is annotating", category=UserWarning)
        parts = {kind: {target.name: _validated(kind, element)}}
        spatialdata.SpatialData(**parts).write(box, consolidate_metadata=False)
    files.move(box / kind / target.name, target)
    files.remove_tree(box)


def _validated(kind: ElementKind, element: Any) -> Any:
    from spatialdata.models import PointsModel, ShapesModel

    if kind == "shapes":
        element = element.copy(deep=False)  # spatialdata's writer edits attrs for a moment
        return element if "transform" in element.attrs else ShapesModel.parse(element)
    if kind == "points" and "transform" not in element.attrs:
        if hasattr(element, "dask"):
            at = {axis: axis for axis in ("x", "y", "z") if axis in element.columns}
            return PointsModel.parse(element, coordinates=at)
        return _points(element)
    return element


def _points(frame: Any) -> Any:
    """Points of a plain frame, all columns at once.

    spatialdata adds them one by one, which for hundreds (features of tiles) goes deeper than
    Python's stack.
    """
    from spatialdata.models import PointsModel

    plain = frame.reset_index(drop=True)
    axes = [axis for axis in ("x", "y", "z") if axis in plain.columns]
    points = PointsModel.parse(plain[axes].to_numpy(), annotation=plain.drop(columns=axes))
    return points[list(plain.columns)]
