"""Opening: which reader takes a slide."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.slides.array import ArraySlide, ImageFileSlide
from napari_stml.io.slides.identity import content_key, key_of
from napari_stml.io.slides.pyramid_store import PyramidStore, Report
from napari_stml.io.slides.scale import given

if TYPE_CHECKING:
    from napari_stml.core.geometry import UmPerPx
    from napari_stml.io.slides.base import Pixels
    from napari_stml.io.slides.tiled import TiledSlide

SMALL_PX = 16 << 20
"""Up to here coarse levels are made when asked for: decoding takes a tenth of a second."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_SUFFIXES = {".tif", ".tiff", ".svs", ".btf", ".tf8", ".qptiff"}
_SCANNERS = {".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm", ".czi", ".zvi"}


def open_slide(
    source: str | os.PathLike[str] | Pixels,
    *,
    um_per_px: float | tuple[float, float] | UmPerPx | None = None,
    series: int | str | None = None,
    mask: bool | None = None,
    background: bool = True,
    report: Report | None = None,
) -> TiledSlide:
    """Open a slide of any format; nothing but metadata is read.

    Parameters
    ----------
    source
        A file, an OME-Zarr or SpatialData image group (also ``https://``, ``s3://``), or an
        array (y, x) or (y, x, c).
    um_per_px
        Overrides what the file says.
    series
        Which image, by number or name, where a file holds several; the largest by default.
    mask
        True where the values are ids of objects, so that coarser levels are not averaged.
        Unless given, images of 32 or 64 bit integers and OME-Zarr labels are masks.
    background
        Make the coarse levels of a large single-level image in a thread and keep them for the
        next time. Without, they are computed from the finest level each time.
    report
        Called in that thread with the part that is done, 0 to 1.
    """
    if not isinstance(source, str | os.PathLike):
        return ArraySlide(source, um_per_px=given(um_per_px), mask=mask)
    slide = _open(os.fspath(source), given(um_per_px), series, mask)
    kept = _missing_levels(slide)
    if kept and "://" not in slide.uri:
        slide.pyramid = PyramidStore(_content(slide), slide, kept)
        if background:
            slide.pyramid.start(slide, report)
    return slide


def _open(
    where: str, scale: UmPerPx | None, series: int | str | None, mask: bool | None
) -> TiledSlide:
    from napari_stml.io.slides.ome_zarr import OmeZarrSlide, is_zarr

    if is_zarr(where):
        return OmeZarrSlide(where.rstrip("/"), um_per_px=scale, series=series, mask=mask)
    if "://" in where:
        raise CannotOpenError(
            "Only zarr images can be read over the network",
            where=where,
            do="download the slide, or convert it to OME-Zarr",
        )
    path = Path(where)
    if path.is_dir():
        raise CannotOpenError(
            "This folder is no OME-Zarr image", where=path, do="choose the slide's file in it"
        )
    return _open_file(path, _head(path), scale, series, mask)


def _open_file(
    path: Path,
    head: bytes,
    scale: UmPerPx | None,
    series: int | str | None,
    mask: bool | None,
) -> TiledSlide:
    from napari_stml.io.slides.openslide_file import OpenSlideSlide, vendor
    from napari_stml.io.slides.tiff import ForeignTiffError, TiffSlide

    suffix = path.suffix.lower()
    if suffix in _SCANNERS or head[128:132] == b"DICM":
        return OpenSlideSlide(path, um_per_px=scale)
    if head[:4] in _TIFF_MAGIC:
        try:
            return TiffSlide(path, um_per_px=scale, series=series, mask=mask)
        except ForeignTiffError:
            return OpenSlideSlide(path, um_per_px=scale)
        except CannotOpenError as error:
            if series is not None or vendor(path) is None:
                raise
            try:
                return OpenSlideSlide(path, um_per_px=scale)
            except CannotOpenError:
                raise error from None
    if suffix in _TIFF_SUFFIXES:
        raise CannotOpenError(
            "The file is not the TIFF its name says",
            where=path,
            do="copy it again from its source: its first bytes are wrong",
        )
    return ImageFileSlide(path, um_per_px=scale)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise CannotOpenError(
            f"The slide cannot be read ({error.strerror})",
            where=path,
            do="check the name and your rights",
        ) from error
    if not head.strip(b"\0"):
        raise CannotOpenError("The file is empty", where=path, do="copy it again from its source")
    return head


def _missing_levels(slide: TiledSlide) -> tuple[int, ...]:
    """Number the levels worth keeping: below a coarsest level that is itself large."""
    base = slide._stored[-1]
    lv = slide.levels[base]
    if lv.width * lv.height <= SMALL_PX:
        return ()
    whole = isinstance(slide, ImageFileSlide)
    return tuple(range(0 if whole else base + 1, len(slide.levels)))


def _content(slide: TiledSlide) -> str:
    path = Path(slide.uri)
    shape = (len(slide.levels), slide.width, slide.height, slide.channels, slide.mask)
    return content_key(path, *shape) if path.is_file() else key_of(slide.key, *shape)
