"""The one dock: head, pages, and the wishes they emit carried to the viewer."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget
from superqt.utils import create_worker

from napari_stml.core.errors import StmlError
from napari_stml.viewer.element_layer import read_points
from napari_stml.viewer.state import state_of
from napari_stml.widgets.head import Head
from napari_stml.widgets.look import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import napari.viewer
    from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent

    from napari_stml.io.section import Section

log = logging.getLogger(__name__)


class StmlDock(QWidget):
    """Opens sections off the main thread and shows them; at home at 350 px."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.state = state_of(viewer)
        self.head = Head()
        self.look = Look()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.head)
        layout.addWidget(self.look, 1)
        self.setMinimumWidth(320)
        self.setAcceptDrops(True)
        self.head.open_requested.connect(self._choose)
        self.head.scale_given.connect(self._take_scale)
        self.look.colour_requested.connect(self._colour)
        self.look.opacity_requested.connect(self._opacity)
        self.look.element_requested.connect(self._read_element)
        self._working: list[Any] = []
        if self.state.current is not None:
            self._show(self.state.current.section)

    def open(self, path: str | Path | Sequence[str], **choices: Any) -> None:
        """Open a section; what goes wrong is said in the head, nothing else changes."""
        self.head.opening(str(path))
        self._in_background(partial(_open_section, path, choices), self._opened, self.head.failed)

    @property
    def busy(self) -> bool:
        return bool(self._working)

    def _in_background(
        self, job: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None]
    ) -> None:
        """Read in a thread; the answer, or the error in words, comes back on the main thread."""

        def answered(answer: Any) -> None:
            if isinstance(answer, StmlError):
                failed(str(answer))
            else:
                done(answer)

        worker = create_worker(_answer, job, _ignore_errors=True)
        worker.returned.connect(answered)
        worker.finished.connect(lambda: self._working.remove(worker))
        self._working.append(worker)
        worker.start()

    def _opened(self, section: Section) -> None:
        self.state.open(section)
        self._show(section)

    def _read_element(self, name: str, genes: str) -> None:
        view = self.state.current
        element = next((e for e in view.section.elements if e.name == name), None) if view else None
        if view is None or element is None:
            return
        wanted = tuple(g.strip() for g in genes.split(",") if g.strip())
        self.look.say(f"Reading {name} ...")
        read = partial(read_points, element, wanted) if element.kind == "points" else element.load

        def show(data: Any) -> None:
            view.show_element(element, data)
            self.look.say(f"{name} shown")

        self._in_background(read, show, self.look.say)

    def _show(self, section: Section) -> None:
        self.head.show_section(section)
        self.look.show_section(section)
        self.look.say("")

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a section folder or zarr store")
        if folder:
            self.open(folder)

    def _take_scale(self, um_per_px: float) -> None:
        self.state.rescale(um_per_px)
        if self.state.current is not None:
            self._show(self.state.current.section)

    def _colour(self, name: str, colour_map: str) -> None:
        try:
            self.state.colour_by(name, colour_map=colour_map)
        except (StmlError, KeyError) as error:
            self.look.say(str(error))
            return
        shown = self.state.current.shown if self.state.current else None
        self.look.say(f"{shown.missing} without a value" if shown and shown.missing else "")

    def _opacity(self, value: float) -> None:
        if self.state.current is not None and self.state.current.section.observations is not None:
            self.state.current.spots().opacity = value

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        if event is not None:
            paths = [url.toLocalFile() for url in event.mimeData().urls()]
            self.open(paths[0] if len(paths) == 1 else paths)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        for worker in self._working:
            worker.quit()
        super().closeEvent(event)


def _open_section(path: Any, choices: dict[str, Any]) -> Section:
    from napari_stml.io.section import Section

    return Section.open(path, **choices)


def _answer(job: Callable[[], Any]) -> Generator[None, None, Any]:
    """In a thread: a RuntimeError raised there would vanish, so errors are answers."""
    yield
    try:
        return job()
    except StmlError as error:
        log.info("not opened", exc_info=True)
        return error
    except Exception as error:
        log.exception("not opened")
        return StmlError(f"This could not be read: {error}", do="see the log for the details")
