"""SpatialData zarr stores, on a disk or behind a URL, read without spatialdata.

``spatialdata.read_zarr`` loads whole tables and refuses every remote form, so metadata, parquet
and tables are read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.spatialdata.files import KINDS, root_attributes

if TYPE_CHECKING:
    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source


class SpatialDataReader:
    """Reads SpatialData stores."""

    format = "SpatialData"

    def claims(self, path: Source) -> bool:
        if isinstance(path, tuple):
            return False
        if isinstance(path, Path):
            metadata = any((path / name).is_file() for name in ("zarr.json", ".zgroup"))
            parts = any((path / kind).is_dir() for kind in KINDS)
            if not (path.is_dir() and (metadata or path.name.endswith(".zarr")) and parts):
                return metadata and "spatialdata_attrs" in _quietly(path)
            return "encoding-type" not in _quietly(path)
        if "." in path.rsplit("/", 1)[-1] and not path.endswith(".zarr"):
            return False
        attrs = _quietly(path)
        return bool(attrs) and ("spatialdata_attrs" in attrs or "multiscales" not in str(attrs))

    def read(
        self,
        path: Source,
        *,
        section: str | None = None,
        observations: str | None = None,
        image: str | None = None,
    ) -> Contents:
        """Read lazily.

        Parameters
        ----------
        section
            A coordinate system, or one region of the table; by default the coordinate system
            with most observations, then most images.
        observations
            The name of the table whose observations are shown, where several tables annotate
            different elements; by default "table", then "square_008um", then the first.
        image
            The reference image; by default the finest colour image.
        """
        from napari_stml.io.readers.spatialdata.assemble import assemble

        if isinstance(path, tuple):
            raise CannotOpenError("SpatialData stores are opened one at a time", where=path)
        return assemble(path, section=section, observations=observations, image=image)


def _quietly(path: Path | str) -> dict[str, object]:
    """Root attributes; empty when they are damaged, missing or out of reach."""
    import os

    try:
        return root_attributes(path) or {}
    except (CannotOpenError, OSError, ValueError, ImportError):
        return {}
    except Exception as error:
        # What fsspec's back ends raise (aiohttp, botocore) is no OSError.
        if isinstance(path, os.PathLike):
            raise
        raise CannotOpenError("This address cannot be reached", where=path) from error


READER = SpatialDataReader()
