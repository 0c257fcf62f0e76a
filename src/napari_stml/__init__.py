"""Histology slides with spatial transcriptomics in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_stml.io.section import Section

__all__ = ["Section", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Section` when it is first used: napari asks for the package at its own start."""
    if name == "Section":
        from napari_stml.io.section import Section

        return Section
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
