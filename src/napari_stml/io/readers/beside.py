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


def is_image(path: Path) -> bool:
    return path.name.lower().endswith(IMAGE_SUFFIXES) and not path.name.startswith(".")


def images_beside(folder: Path, stem: str = "") -> list[Path]:
    """List the images of a folder: of the table's own name first, then the largest."""
    if not folder.is_dir():
        return []
    found = [
        p
        for p in folder.iterdir()
        if is_image(p) and not any(word in p.name.lower() for word in NOT_TISSUE)
    ]
    return sorted(found, key=lambda p: (not (stem and p.name.startswith(stem)), -_size(p), p.name))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
