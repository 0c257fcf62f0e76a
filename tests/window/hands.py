"""A user's hands: mouse and keys on the real widgets, as Qt gets them from the window system."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QScrollArea

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtWidgets import QAbstractItemView, QComboBox, QMenu, QWidget

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier


def reach(widget: QWidget) -> None:
    """Scroll the page until a widget is in sight; it must then be there to be clicked."""
    above: Any = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea):
            QApplication.processEvents()
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()
    QApplication.processEvents()
    assert widget.isVisible(), f"{widget} cannot be seen"
    assert widget.isEnabled(), f"{widget} cannot be used"


def click(widget: QWidget, at: QPoint | None = None, button: Qt.MouseButton = LEFT) -> None:
    reach(widget)
    QTest.mouseClick(widget, button, NONE, at if at is not None else widget.rect().center())
    QApplication.processEvents()


def write(line: QWidget, text: str, *, enter: bool = False) -> None:
    """Click into a line, replace what stands there, leave it by Enter or Tab."""
    click(line)
    QTest.keyClick(line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(line, Qt.Key.Key_Delete)
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return if enter else Qt.Key.Key_Tab)
    QApplication.processEvents()


def choose(box: QComboBox, text: str) -> None:
    """Open a list by a click, go to an entry by keys."""
    place = box.findText(text)
    assert place >= 0, f"{text!r} is not among {[box.itemText(i) for i in range(box.count())]}"
    reach(box)
    QTest.mouseClick(box, LEFT, NONE, box.rect().center())
    entries: Any = box.view()
    _until(entries.isVisible)
    QTest.keyClick(entries, Qt.Key.Key_Home)
    for _ in range(place):
        QTest.keyClick(entries, Qt.Key.Key_Down)
    QTest.keyClick(entries, Qt.Key.Key_Return)
    _until(lambda: not entries.isVisible())
    QApplication.processEvents()
    assert box.currentText() == text


def pick(entries: QAbstractItemView, place: int) -> None:
    """Click an entry of a list."""
    model: Any = entries.model()
    index = model.index(place, 0)
    entries.scrollTo(index)
    QApplication.processEvents()
    QTest.mouseClick(entries.viewport(), LEFT, NONE, entries.visualRect(index).center())
    QApplication.processEvents()


def take(menu: QMenu, text: str) -> None:
    """Click an entry of an open menu."""
    action = next(a for a in menu.actions() if a.text().startswith(text))
    QTest.mouseClick(menu, LEFT, NONE, menu.actionGeometry(action).center())
    QApplication.processEvents()


def with_menu(act: Callable[[QMenu], None], opening: Callable[[], None]) -> None:
    """Do something in a menu that blocks while it is open."""
    _in_popup(act, opening, QApplication.activePopupWidget)


def with_dialog(act: Callable[[Any], None], opening: Callable[[], None]) -> None:
    """Do something in a dialog that blocks while it is open."""
    _in_popup(act, opening, QApplication.activeModalWidget)


def answer_file(path: Path | str) -> Callable[[Any], None]:
    """Type a path into Qt's own file dialog and confirm."""

    def act(dialog: Any) -> None:
        assert isinstance(dialog, QFileDialog)
        from qtpy.QtWidgets import QLineEdit

        line = dialog.findChild(QLineEdit, "fileNameEdit")
        line.setText(str(path))
        QTest.keyClick(line, Qt.Key.Key_Return)

    return act


def drop(target: QWidget, *paths: Path) -> bool:
    """Drag files from a file manager and let them fall; whether they were taken."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    at = target.rect().center()
    buttons, copy = Qt.MouseButton.LeftButton, Qt.DropAction.CopyAction
    entering = QDragEnterEvent(at, copy, data, buttons, NONE)
    entering.ignore()
    QApplication.sendEvent(target, entering)
    if not entering.isAccepted():
        return False
    falling = QDropEvent(QPointF(at), copy, data, buttons, NONE)
    QApplication.sendEvent(target, falling)
    QApplication.processEvents()
    return True


def _in_popup(
    act: Callable[[Any], None], opening: Callable[[], None], find: Callable[[], Any]
) -> None:
    problems: list[BaseException] = []
    tries = 0

    def look() -> None:
        nonlocal tries
        popup = find()
        tries += 1
        if popup is None or not popup.isVisible():
            if tries < 400:
                QTimer.singleShot(10, look)
            else:
                problems.append(AssertionError("nothing opened"))
            return
        try:
            act(popup)
        except BaseException as error:  # noqa: BLE001 - told to the test that waits outside
            problems.append(error)
        if popup.isVisible():
            popup.close()

    QTimer.singleShot(10, look)
    opening()
    if problems:
        raise problems[0]
    assert tries, "nothing opened"


def _until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end, "it did not come"
        QApplication.processEvents()
        QTest.qWait(5)
