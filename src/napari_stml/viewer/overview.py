"""The map in the canvas's corner: the whole section, and where one is in it.

It comes when the canvas does not show everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF, QTransform
from qtpy.QtWidgets import QWidget

from napari_stml.core.geometry import Affine
from napari_stml.viewer.legend import DARK, EDGE, LIGHT
from napari_stml.viewer.slide_layer import CHANNEL_COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent, QWheelEvent

    from napari_stml.io.slides.base import Pixels
    from napari_stml.viewer.section_view import SectionView

LONGEST, FINEST = 168, 400
"""Pixels of the map's longer side on the screen, and of the picture that is kept for it."""
MOST_DOTS = 4_000
FRAME = QColor(230, 90, 0)
"""Orange stands out on H&E, on black, and for the colour-blind."""


@dataclass(frozen=True)
class Piece:
    """A picture and the map of its pixels to the world, both (x, y)."""

    pixels: NDArray[np.uint8]
    to_world: Affine

    @property
    def corners(self) -> NDArray[np.float64]:
        height, width = self.pixels.shape[:2]
        edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
        return self.to_world(edges)


@dataclass(frozen=True)
class Ground:
    """What the map shows: small pictures of the slides, or dots where there are none."""

    pieces: tuple[Piece, ...]
    dots: NDArray[np.float64]
    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def size(self) -> tuple[float, float]:
        return self.high[0] - self.low[0], self.high[1] - self.low[1]


def ground_of(view: SectionView) -> Ground | None:
    """From what was read when the section was opened; nothing is read here."""
    pieces = []
    for name in view.slides_shown:
        pixels = view.ready.coarse.get(name)
        if pixels is None:
            continue
        placed = view.section.images[name]
        small, step = _small(pixels)
        if not placed.slide.rgb:
            small = _composite(small, view.ready.channel_limits.get(name, ()))
        own = Affine.scaling(
            placed.slide.width / pixels.shape[1] * step,
            placed.slide.height / pixels.shape[0] * step,
        )
        to_world = view.frame.to_world @ placed.affine @ own
        pieces.append(Piece(np.ascontiguousarray(small[:, :, :3], np.uint8), to_world))
    dots = np.empty((0, 2))
    observed = view.section.observations
    if not pieces and observed is not None and len(observed):
        every = max(1, len(observed) // MOST_DOTS)
        dots = view.frame.to_world(observed.xy[::every])
    points = np.vstack([*(p.corners for p in pieces), dots])
    if len(points) < 2:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).all():
        return None
    return Ground(tuple(pieces), dots, (float(low[0]), float(low[1])), tuple(high.tolist()))


class Overview(QWidget):
    """``moved`` gives the world (y, x) that was clicked or dragged to; ``left`` a double click."""

    moved = Signal(float, float)
    left = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("Click or drag: go there.  Double click: everything.  W: map on or off")
        self._ground: Ground | None = None
        self._picture: QPixmap | None = None
        self._seen = (np.zeros(2), np.zeros(2))
        self._wanted = True
        self._inks = DARK
        self.hide()

    def show_theme(self, light: bool) -> None:
        self._inks = LIGHT if light else DARK
        self._picture = None
        self.update()

    def show_ground(self, ground: Ground | None) -> None:
        self._ground, self._picture = ground, None
        self.place()
        self.update()

    def toggle(self) -> None:
        """On or off, for this window."""
        self._wanted = not self._wanted
        self.place()

    def look_at(self, low_yx: Any, high_yx: Any) -> None:
        """Mark what the canvas shows now."""
        self._seen = (np.asarray(low_yx, dtype=float), np.asarray(high_yx, dtype=float))
        self.setVisible(self._useful)
        self.update()

    def place(self) -> None:
        """Into the lower left corner."""
        parent = self.parentWidget()
        if parent is not None and self._ground is not None:
            width, height = self._ground.size
            scale = LONGEST / max(width, height)
            self.resize(max(24, round(width * scale)) + 4, max(24, round(height * scale)) + 4)
            self.move(EDGE, parent.height() - self.height() - EDGE)
            self.raise_()
        self.setVisible(self._useful)

    @property
    def _useful(self) -> bool:
        """Wanted, the canvas has room for it, and does not show everything anyway."""
        parent = self.parentWidget()
        if parent is None or self._ground is None or not self._wanted:
            return False
        if min(parent.width(), parent.height()) < 2 * LONGEST:
            return False
        (left, top), (right, bottom) = self._ground.low, self._ground.high
        slack = 0.02 * max(self._ground.size)
        (y0, x0), (y1, x1) = self._seen
        whole = y0 <= top + slack and x0 <= left + slack
        return not (whole and y1 >= bottom - slack and x1 >= right - slack)

    @property
    def frame(self) -> QRectF:
        """The marked rectangle in the widget; never too small to be seen."""
        place = self._world_to_widget()
        low = place.map(QPointF(float(self._seen[0][1]), float(self._seen[0][0])))
        high = place.map(QPointF(float(self._seen[1][1]), float(self._seen[1][0])))
        rect = QRectF(low, high)
        if rect.width() < 6 or rect.height() < 6:
            middle = rect.center()
            rect = QRectF(middle.x() - 3, middle.y() - 3, 6, 6)
        return rect.intersected(QRectF(self.rect()).adjusted(1, 1, -1, -1))

    def _world_to_widget(self) -> QTransform:
        assert self._ground is not None
        (left, top), (width, height) = self._ground.low, self._ground.size
        scale = min((self.width() - 4) / width, (self.height() - 4) / height)
        return QTransform(scale, 0, 0, scale, 2 - left * scale, 2 - top * scale)

    # the mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        self._go(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self.left.emit()
            event.accept()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

    def _go(self, event: QMouseEvent | None) -> None:
        if event is None or self._ground is None:
            return
        if event.buttons() & Qt.MouseButton.LeftButton:
            back, _ = self._world_to_widget().inverted()
            world = back.map(event.position())
            (left, top), (right, bottom) = self._ground.low, self._ground.high
            self.moved.emit(min(max(world.y(), top), bottom), min(max(world.x(), left), right))
        event.accept()

    # drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self._ground is None:
            return
        if self._picture is None:
            self._picture = self._drawn(self._ground)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, width in ((QColor(255, 255, 255, 220), 3.0), (FRAME, 1.6)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(self.frame)
        painter.end()

    def _drawn(self, ground: Ground) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(self._inks.back)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = self._world_to_widget()
        for piece in ground.pieces:
            height, width = piece.pixels.shape[:2]
            image = QImage(
                piece.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
            )
            a, b, c, d, e, f = piece.to_world.values
            painter.setTransform(QTransform(a, d, b, e, c, f) * place)
            painter.drawImage(0, 0, image)
        painter.resetTransform()
        painter.setPen(QPen(self._inks.ink, 1.5))
        if len(ground.dots):
            painter.drawPoints(QPolygonF([place.map(QPointF(*xy)) for xy in ground.dots.tolist()]))
        painter.setPen(self._inks.line)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(0.5, 0.5, self.width() - 1, self.height() - 1))
        painter.end()
        return picture


def _small(pixels: Pixels) -> tuple[Any, int]:
    step = max(1, -(-max(pixels.shape[:2]) // FINEST))
    return pixels[::step, ::step], step


def _composite(pixels: Any, limits: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """Channels as the canvas adds them up."""
    out = np.zeros((*pixels.shape[:2], 3))
    count = pixels.shape[2]
    for i in range(min(count, 4)):
        low, high = limits[i] if i < len(limits) else (0.0, float(pixels[:, :, i].max() or 1))
        level = np.clip((pixels[:, :, i] - low) / max(high - low, 1e-12), 0, 1)
        name = "white" if count == 1 else CHANNEL_COLOURS[i % 7]
        colour = QColor(name)
        out += level[:, :, None] * np.array([colour.redF(), colour.greenF(), colour.blueF()])
    return np.asarray(np.clip(out, 0, 1) * 255, dtype=np.uint8)
