"""A window waits for what opening imports: the first picture needs neither anndata nor dask."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OPENS = """
import sys
from napari_stml.io.section import Section
from napari_stml.viewer.prepare import prepare
section = prepare(Section.open(sys.argv[1]))
assert len(section.observations) and section.images
print(*sorted({"anndata", "dask.array", "spatialdata", "scanpy", "matplotlib"} & set(sys.modules)))
"""


def test_what_is_painted_first_is_read_without_anndata_and_dask(store: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPENS, str(store)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
