"""A slide without expression: whatever `open_slide` takes, also a folder with one slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.contents import Contents
from napari_stml.io.readers.beside import images_beside, is_image
from napari_stml.io.readers.zarr_root import root_kind

if TYPE_CHECKING:
    from napari_stml.io.readers import Source

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\xff\xd8\xff", b"\x89PNG", b"BM")
MORE_SUFFIXES = (".qptiff", ".tf8", ".tf2", ".svslide", ".czi", ".vmu", ".jp2")


class SlideOnly:
    """Reads slides and images."""

    format = "slide or image"

    def claims(self, path: Source) -> bool:
        if isinstance(path, tuple):
            return False
        if isinstance(path, str):
            return root_kind(path) in {"image", "unknown"}
        if path.is_dir():
            if root_kind(path) is not None:
                return True
            return len(_slides_in(path)) == 1
        return is_image(path) or path.suffix.lower() in MORE_SUFFIXES or _has_magic(path)

    def read(self, path: Source, *, series: int | str | None = None) -> Contents:
        """Open one slide.

        Parameters
        ----------
        series
            Which image, by number or name, where a file holds several; by default the largest.
        """
        from napari_stml.io.readers.anndata_section import placed
        from napari_stml.io.slides import open_slide

        if isinstance(path, tuple):
            raise CannotOpenError("Slides are opened one at a time", where=path)
        if isinstance(path, Path) and path.is_dir() and root_kind(path) is None:
            path = _slides_in(path)[0]
        slide = open_slide(path, series=series)
        return Contents(
            name=_name(path),
            format="slide",
            images={_name(path): placed(slide)},
            um_per_px=slide.um_per_px,
            um_per_px_guess=slide.um_per_px_guess,
            chosen={} if series is None else {"series": str(series)},
        )


def _slides_in(folder: Path) -> list[Path]:
    """List the slides of a folder; DICOM files of one series count once."""
    images = images_beside(folder)
    dicom = [p for p in images if p.suffix.lower() == ".dcm"]
    return [p for p in images if p not in dicom] + dicom[:1]


def _name(path: Path | str) -> str:
    name = path.name if isinstance(path, Path) else path.rsplit("/", 1)[-1]
    for suffix in (".ome.zarr", ".ome.tiff", ".ome.tif", ".zarr"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(132)
    return head.startswith(MAGIC) or head[128:132] == b"DICM"


READER = SlideOnly()
