"""The parts of a result, into a Run's elements and back."""

from __future__ import annotations

from napari_stml.io.run_parts.read import read_part
from napari_stml.io.run_parts.write import IN_SCOPE, write_parts

__all__ = ["IN_SCOPE", "read_part", "write_parts"]
