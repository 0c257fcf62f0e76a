"""The one dock: head, pages, and the wishes they emit carried to the viewer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget
from superqt.utils import create_worker

from napari_stml.core.errors import StmlError
from napari_stml.viewer.state import state_of
from napari_stml.widgets.head import Head
from napari_stml.widgets.look import Look

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
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
        self._opening: list[Any] = []
        self._asked: tuple[Any, dict[str, Any]] | None = None
        if self.state.current is not None:
            self._show(self.state.current.section)

    def open(self, path: str | Path | Sequence[str], **choices: Any) -> None:
        """Open a section; what goes wrong is said in the head, nothing else changes."""
        self.head.opening(str(path))
        self._asked = (path, choices)
        worker = create_worker(_open, path, choices, _ignore_errors=True)
        worker.returned.connect(self._opened)
        worker.finished.connect(lambda: self._opening.remove(worker))
        self._opening.append(worker)
        worker.start()

    @property
    def busy(self) -> bool:
        return bool(self._opening)

    def _opened(self, answer: Section | StmlError) -> None:
        if isinstance(answer, StmlError):
            self.head.failed(str(answer))
            return
        self.state.open(answer)
        self._show(answer)

    def _show(self, section: Section) -> None:
        self.head.show_section(section)
        self.look.show_section(section)
        self.look.say("")

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a section folder or zarr store")
        if folder:
            self.open(folder)

    def _take_scale(self, um_per_px: float) -> None:
        if self._asked is not None and self.state.current is not None:
            path, choices = self._asked
            self.state.close_current()
            self.open(path, **{**choices, "um_per_px": um_per_px})

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
        for worker in self._opening:
            worker.quit()
        super().closeEvent(event)


def _open(path: Any, choices: dict[str, Any]) -> Generator[None, None, Section | StmlError]:
    """In a thread: a RuntimeError would otherwise vanish there, so errors are answers."""
    yield
    from napari_stml.io.section import Section

    try:
        return Section.open(path, **choices)
    except StmlError as error:
        log.info("could not open %s", path, exc_info=True)
        return error
    except Exception as error:
        log.exception("could not open %s", path)
        return StmlError(
            f"This could not be opened: {error}", where=path,
            do="see the log for details; a report with it is welcome",
        )  # fmt: skip
