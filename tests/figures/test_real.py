"""Real sections: spots, labels and scale as the figure shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "um_per_px", "value", "missing"),
    [("C2", 0.688, "label_transferred", 9), ("A1", 3.19, "label", 0)],
)
def test_her2st(
    real_data: Path, tmp_path: Path, name: str, um_per_px: float, value: str, missing: int
) -> None:
    with Section.open(real_data / "her2st" / name, um_per_px=um_per_px) as section:
        drawing = tissue_figure(section, value, Print(width_mm=85, dpi=150))
        assert section.observations is not None
        assert drawing.report["value"]["observations"] == len(section.observations)
        assert drawing.report["value"]["missing"] == missing
        assert drawing.report["scale_bar"]["um"] == 1000
        for ending in (".pdf", ".png"):
            drawing.save(tmp_path / f"{name}{ending}")
    assert str(real_data).encode() not in (tmp_path / f"{name}.pdf").read_bytes()
