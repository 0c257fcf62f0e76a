"""A tour of the slide's analyses in the real window, by mouse: mask, tiles, features, attention."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_stml.viewer._compat import canvas_widget
from napari_stml.viewer.state import state_of
from napari_stml.widgets.analysis_page import AnalysisPage
from napari_stml.widgets.brush import BrushBox
from napari_stml.widgets.dock import RUNS, StmlDock
from napari_stml.widgets.tour import LARGE, _Camera, wait

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

ENCODER = "vit_tiny_patch16_224"
"""Small, and with random weights: none are part of this program."""

TILE_UM = 2.0


@dataclass
class SlideTour:
    """Clicks through the page Slide; ``ids`` are the Runs by analysis."""

    dock: StmlDock
    take: Any
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, analysis: str, **values: Any) -> str:
        """Choose an analysis, fill its form, click Run; wait for the end."""
        page = self.dock.pages["Slide"]
        assert isinstance(page, AnalysisPage)
        self.dock.show_page("Slide")
        page.choose(analysis)
        assert page.form is not None
        for name, value in values.items():
            page.form.rows[name].write(value)
        ended: list[Any] = []

        def done(planned: Any, _records: Any) -> None:
            ended.append(planned.spec.run_id)

        def failed(_planned: Any, words: str) -> None:
            ended.append(StopIteration(words))

        self.dock.control.published.connect(done)
        self.dock.control.failed.connect(failed)
        _click(page.button)
        wait(lambda: bool(ended) or not self.dock.control.active, analysis, 580)
        self.dock.control.published.disconnect(done)
        self.dock.control.failed.disconnect(failed)
        if not ended or isinstance(ended[0], StopIteration):
            raise RuntimeError(f"{analysis}: {ended[0] if ended else 'was not begun'}")
        self.ids[analysis] = str(ended[0])
        self.dock.show_page(RUNS)
        return self.ids[analysis]

    def live(self, **values: Any) -> Any:
        """Move the live panel of the Run that is shown, and wait for the exact answer."""
        panel = self.dock.runs.panel
        assert panel is not None
        assert panel.live is not None
        answers: list[Any] = []
        panel.live.moved.connect(answers.append)
        panel.live.move(**values)
        wait(lambda: bool(answers), "the live answer", 180)
        return answers[-1]

    def click_at(self, x: float, y: float) -> Any:
        """Click on the canvas at reference pixels, and wait for what follows."""
        view = self.dock.state.current
        panel = self.dock.runs.panel
        assert view is not None
        assert panel is not None
        assert panel.live is not None
        viewer = self.dock.viewer
        canvas = canvas_widget(viewer)
        assert canvas is not None
        viewer.layers.selection.active = next(iter(view.slide_layers))
        camera = viewer.scene.camera
        world = view.frame.world_yx(np.array([[x, y]]))[0]
        centre = np.asarray(camera.center, dtype=float)[-2:]
        away = (world - centre) * float(camera.zoom) / canvas.devicePixelRatioF()
        at = QPoint(round(canvas.width() / 2 + away[1]), round(canvas.height() / 2 + away[0]))
        answers: list[Any] = []
        panel.live.moved.connect(answers.append)
        QTest.mouseMove(canvas, at)
        left, no = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mouseClick(canvas, left, no, at)
        wait(lambda: bool(answers), "the answer to a click", 180)
        return answers[-1]

    def quiet(self, *names: str) -> None:
        """Only the slide and the layers whose names end with one of these are seen."""
        view = self.dock.state.current
        assert view is not None
        for layer in self.dock.viewer.layers:
            layer.visible = layer in view.slide_layers or layer.name.endswith(names)


def slide_tour(
    section: Path, into: Path, *, size: tuple[int, int] = LARGE, **choices: Any
) -> tuple[list[Path], SlideTour]:
    """Do what a pathologist does on the page Slide; a screenshot of each sight in ``into``."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(title="napari-stml", show=True)
    viewer.window.resize(*size)
    dock = StmlDock(viewer)
    viewer.window.add_dock_widget(dock, name="STML", area="right")
    take = _Camera(viewer, dock, into)
    tour = SlideTour(dock, take)
    try:
        dock.open(section, **choices)
        wait(lambda: not dock.busy and dock.state.current is not None, "the section to open")
        _mask(tour)
        _views(tour)
        _tiles(tour)
        _features(tour)
        _attention(tour)
    finally:
        dock.shut()
        state_of(viewer).close()
        viewer.close()
        QApplication.processEvents()
    return take.pictures, tour


def _mask(tour: SlideTour) -> None:
    """Find tissue, correct it with the brush, keep the correction."""
    first = tour.run("tissue")
    tour.quiet(f"{first} / tissue")
    tour.take("tissue")
    panel = tour.dock.runs.panel
    view = tour.dock.state.current
    assert panel is not None
    assert view is not None
    box = panel.findChild(BrushBox)
    assert box is not None
    _click(box.paint)
    layer: Any = view.part_of(first, "tissue")
    h, w = layer.data.shape
    for x in np.linspace(0.3, 0.5, 12):
        layer.paint((h * 0.5, w * x), 0)
    tour.take("brush")
    ended: list[Any] = []
    tour.dock.control.published.connect(lambda planned, _: ended.append(planned.spec.run_id))
    _click(box.keep)
    wait(lambda: bool(ended), "the corrected mask", 120)
    tour.ids["tissue-correction"] = ended[0]
    tour.quiet(f"{ended[0]} / tissue")
    tour.take("corrected")


def _views(tour: SlideTour) -> None:
    run = tour.run("stain-views")
    tour.quiet(f"{run} / hematoxylin")
    tour.take("hematoxylin")


def _tiles(tour: SlideTour) -> None:
    """Tiles on the corrected mask; thresholds of quality moved and kept."""
    scale = tour.dock.state.current.section.um_per_px  # type: ignore[union-attr]
    um = max(TILE_UM, scale.mean if scale else 0.0)
    run = tour.run("tiles", um_per_px=um)
    tour.quiet(f"{run} / tiles")
    tour.live(least_tissue=80.0, sharpness=0.7)
    tour.take("tiles")


def _features(tour: SlideTour) -> None:
    """Features, groups by look, and what looks like the place that is clicked."""
    run = tour.run("features", tiles=tour.ids["tiles"])
    tour.quiet(f"{run} / features")
    tour.take("features")
    run = tour.run("morphology-clusters")
    tour.quiet(f"{run} / look groups")
    tour.take("groups")
    tour.click_at(*_inside(tour))
    tour.quiet(f"{run} / likeness")
    tour.take("likeness")


def _attention(tour: SlideTour) -> None:
    run = tour.run("attention", tiles=tour.ids["tiles"], encoder=ENCODER, control=True,
                   compare=True)  # fmt: skip
    tour.quiet(f"{run} / attention")
    tour.take("attention")
    tour.click_at(*_inside(tour))
    tour.quiet(f"{run} / tile", f"{run} / looked at")
    _look_at_tile(tour)
    tour.take("tile")
    tour.live(method="relevance")
    tour.take("tile-relevance")
    from napari_stml.widgets.run_extras import show_gallery

    gallery = show_gallery(tour.dock.wishes, tour.dock.state, run)
    ready: list[int] = []
    gallery.drawn.connect(lambda: ready.append(1))
    wait(lambda: bool(ready), "the gallery", 120)
    path = tour.take.pictures[-1].parent / f"{len(tour.take.pictures) + 1}-gallery.png"
    gallery.grab().save(str(path))
    tour.take.pictures.append(path)
    gallery.close()


def _inside(tour: SlideTour) -> tuple[float, float]:
    """The middle of a tile in the midst of the tissue."""
    view = tour.dock.state.current
    assert view is not None
    assert view.section.shelf is not None
    tiles: Any = view.section.shelf.part(tour.ids["tiles"], "tiles")
    centres = tiles.xy + tiles.side / 2
    nearest = int(np.abs(centres - np.median(centres, axis=0)).sum(axis=1).argmin())
    return float(centres[nearest, 0]), float(centres[nearest, 1])


def _look_at_tile(tour: SlideTour) -> None:
    view = tour.dock.state.current
    assert view is not None
    x, y = _inside(tour)
    camera = tour.dock.viewer.scene.camera
    camera.center = tuple(view.frame.world_yx(np.array([[x, y]]))[0].tolist())
    camera.zoom = 5 * float(camera.zoom)


def _click(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
