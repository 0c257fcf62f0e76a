"""Galleries of tiles, from a stored Run with maps that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.core.results import Heatmap, Tiles
from napari_stml.figures.gallery import Choice, Shelved, _over, _picture, choose, gallery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_stml.io.section import Section

SIDE = 40.0


class Shelf:
    """Two maps over a row of five tiles, as a Run keeps them."""

    def __init__(self) -> None:
        from types import SimpleNamespace

        xy = np.column_stack([np.arange(5) * SIDE, np.full(5, 20.0)])
        values = {"strongest patch": np.array([1.0, 5, 2, np.nan, 4]), "sinks": np.zeros(5)}
        pixels = np.arange(80, dtype=np.float32).reshape(4, 20)
        place = Affine.translation(0, 20) @ Affine.scaling(10)
        self.parts: dict[str, Any] = {
            "attention": Heatmap("attention", pixels, place, "x mean", limits=(0, 79)),
            "relevance": Heatmap("relevance", np.full((4, 20), np.nan), place, limits=(0, 40)),
            "attention tiles": Tiles("attention tiles", xy, SIDE, values),
        }
        self.records = {"attention-1": object()}
        self._entry = SimpleNamespace

    def entries(self, _run: str) -> list[Any]:
        return [self._entry(name=n, kind=type(p).__name__) for n, p in self.parts.items()]

    def part(self, _run: str, name: str) -> Any:
        return self.parts[name]


@pytest.fixture
def stored(make: Callable[..., Section], monkeypatch: pytest.MonkeyPatch) -> Any:
    section = make()
    monkeypatch.setattr(type(section), "shelf", property(lambda _: Shelf()))
    monkeypatch.setattr("napari_stml.figures.gallery.with_kept_alignment", lambda s: s)
    return section


def found() -> Shelved:
    parts = Shelf().parts
    return Shelved((("attention", parts["attention"]),), parts["attention tiles"],
                   ("a", "", "c", "", ""))  # fmt: skip


def test_tiles_are_chosen_by_value_by_name_or_at_random() -> None:
    assert choose(found(), Choice("highest", 2)).tolist() == [1, 4]
    assert choose(found(), Choice("lowest", 2, by="strongest patch")).tolist() == [0, 2]
    assert choose(found(), Choice("chosen", chosen=("c", "4"))).tolist() == [2, 4]
    first = choose(found(), Choice("random", 3, seed=1))
    assert first.tolist() == choose(found(), Choice("random", 3, seed=1)).tolist()
    assert len(choose(found(), Choice("random", 60))) == 5
    for how, match in ((Choice("chosen", chosen=("z",)), "no tile 'z'"),
                       (Choice("chosen"), "No tile was chosen"),
                       (Choice("highest", by="mood"), "no numbers 'mood'")):  # fmt: skip
        with pytest.raises(StmlError, match=match):
            choose(found(), how)


def test_a_map_is_cut_out_where_its_tile_lies() -> None:
    from napari_stml.core.colours import ColourScale
    from napari_stml.core.geometry import Box

    scale = ColourScale("magma", 0, 79)
    part = found().maps[0][1]
    cut = _over(part, Box(80, 20, 40, 40), scale, 0.5)
    assert cut.shape == (4, 4, 4)
    np.testing.assert_allclose(cut[..., :3], scale(part.pixels[:, 8:12])[..., :3], atol=1e-6)
    beyond = _over(part, Box(180, 20, 40, 40), scale, 0.5)
    assert beyond[:, 2:, 3].max() == 0, "beyond the map nothing is drawn"
    assert beyond[:, :2, 3].min() == 0.5


def test_a_gallery_is_drawn_with_its_report(stored: Any, tmp_path: Path) -> None:
    drawing = gallery(stored, ["attention-1"], Choice("highest", 3, dpi=100))
    pictures = [a for a in drawing.figure.axes if a.images and a.get_label() != "scale"]
    assert len(pictures) == 3 * 3
    assert drawing.report["tiles"] == [1, 4, 2]
    assert drawing.report["limits"] == [0, 79], "one scale for all maps"
    words = [t.get_text() for t in drawing.figure.texts]
    assert any("strongest patch: 5" in w for w in words)
    assert any("relevance" in w for w in words)
    for ending in (".png", ".pdf"):
        drawing.save(tmp_path / f"g{ending}")
        assert (tmp_path / f"g{ending}").stat().st_size > 5000


def test_beyond_the_slide_a_tile_is_white(stored: Any) -> None:
    from napari_stml.core.geometry import Box

    whole = _picture(stored, Box(0, 0, 40, 40))
    corner = _picture(stored, Box(-20, -20, 40, 40))
    assert (corner[:100, :100] == 255).all()
    assert corner[150, 150].tolist() == whole[20, 20].tolist()


def test_runs_without_tiles_are_refused(stored: Any) -> None:
    with pytest.raises(StmlError, match="no Run 'other-1'"):
        gallery(stored, ["other-1"])
