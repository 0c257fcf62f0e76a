"""SpatialData zarr stores, on a disk or behind a URL, read without spatialdata.

``spatialdata.read_zarr`` loads whole tables and refuses every remote form, so metadata, parquet
and tables are read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError

if TYPE_CHECKING:
    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source


class SpatialDataReader:
    """Reads SpatialData stores."""

    format = "SpatialData"

    def claims(self, path: Source) -> bool:
        from napari_stml.io.readers.zarr_root import root_kind

        return not isinstance(path, tuple) and root_kind(path) == "spatialdata"

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


READER = SpatialDataReader()
