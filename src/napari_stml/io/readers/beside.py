"""Images that lie beside a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IMAGE_SUFFIXES = (
    ".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".ome.tif", ".ome.tiff", ".btf", ".tif", ".tiff",
    ".vms", ".vmu", ".jpg", ".jpeg", ".png", ".ome.zarr", ".dcm", ".bmp", ".webp", ".jp2",
)  # fmt: skip

NOT_TISSUE = ("label", "macro", "thumbnail", "aligned_fiducials", "overview")


OUR_FIGURE = b"napari-stml "
"""What a figure of ours says at its beginning: the program that wrote it."""
HEAD_BYTES = 262_144


def is_image(path: Path) -> bool:
    return path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")


def images_beside(folder: Path, stem: str = "") -> list[Path]:
    """List the images of a folder: of the table's own name first, then the largest.

    Figures that were exported next to their table are none: they would be taken for its slide.
    """
    if not folder.is_dir():
        return []
    found = [
        p
        for p in folder.iterdir()
        if is_image(p)
        and not any(word in p.name.lower() for word in NOT_TISSUE)
        and not is_our_figure(p)
    ]
    return sorted(found, key=lambda p: (not (stem and p.name.startswith(stem)), -_size(p), p.name))


def is_our_figure(path: Path) -> bool:
    """Whether napari-stml wrote a picture; it stands in a PNG, TIFF or JPEG before the pixels."""
    if not path.is_file() or path.suffix.lower() not in {".png", ".tif", ".tiff", ".jpg", ".jpeg"}:
        return False
    try:
        with path.open("rb") as file:
            return OUR_FIGURE in file.read(HEAD_BYTES)
    except OSError:
        return False  # what cannot be read is told by who opens it


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
