"""What a zarr is, by the attributes of its root."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.spatialdata.files import KINDS, root_attributes

ZarrKind = Literal["spatialdata", "anndata", "image", "unknown"]


def root_kind(path: Path | str) -> ZarrKind | None:
    """Tell a SpatialData store, an AnnData table and an OME-Zarr image apart.

    None where there is no zarr. A store whose root is damaged counts by its folders, so that its
    own reader can say what is wrong.
    """
    if isinstance(path, Path):
        if not path.is_dir():
            return None
        try:
            attrs = root_attributes(path)
        except (CannotOpenError, OSError):
            attrs = {}
        if attrs is None and not path.name.endswith(".zarr"):
            return None
        parts = any((path / kind).is_dir() for kind in KINDS)
        return _kind(attrs or {}, parts=parts)
    return _remote_kind(path)


def _remote_kind(url: str) -> ZarrKind | None:
    if not url.endswith(".zarr") and "." in url.rsplit("/", 1)[-1]:
        return None
    try:
        attrs = root_attributes(url)
    except CannotOpenError:
        raise
    except Exception as error:
        # What fsspec's back ends raise (aiohttp, botocore) has no common base.
        raise CannotOpenError(
            f"This address cannot be reached: {type(error).__name__}: {error}",
            where=url,
            do="check the address, the network and (for s3) the credentials",
        ) from error
    return None if attrs is None else _kind(attrs, parts=True)


def _kind(attrs: dict[str, object], *, parts: bool) -> ZarrKind:
    if "spatialdata_attrs" in attrs:
        return "spatialdata"
    if attrs.get("encoding-type") == "anndata":
        return "anndata"
    ome = attrs.get("ome", attrs)
    if isinstance(ome, dict) and {"multiscales", "plate", "bioformats2raw.layout"} & set(ome):
        return "image"
    return "spatialdata" if parts else "unknown"
