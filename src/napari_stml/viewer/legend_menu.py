"""The menu of one category in the legend."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QInputDialog, QMenu

from napari_stml.viewer.colours import hex_of

if TYPE_CHECKING:
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QWidget

    from napari_stml.viewer.shown import Shown
    from napari_stml.viewer.wishes import LookWishes


def category_menu(parent: QWidget, shown: Shown, category: int, wishes: LookWishes) -> QMenu:
    """Show alone, rename, recolour, merge, split, select, undo."""
    name = shown.categories[category]
    menu = QMenu(parent)
    menu.addAction("Show only this", partial(wishes.alone_requested, category))
    menu.addAction("Show all", partial(wishes.isolate_requested, 0))
    menu.addAction("Select these", partial(wishes.category_selected, category))
    menu.addSeparator()

    def rename() -> None:
        text, given = QInputDialog.getText(parent, "Rename", f"New name of {name}", text=name)
        if given and text.strip():
            wishes.rename_requested(name, text.strip())

    def recolour() -> None:
        now = shown.drawn.colours[category] if shown.drawn is not None else (0, 0, 0)
        colour = QColorDialog.getColor(QColor(hex_of(now)), parent, f"Colour of {name}")
        if colour.isValid():
            wishes.recolour_requested(name, colour.name())

    def split() -> None:
        ask_for = f"Name of the {chosen:,} selected of {name}"
        text, given = QInputDialog.getText(parent, "Split", ask_for, text=f"{name} b")
        if given and text.strip():
            wishes.split_requested(category, text.strip())

    menu.addAction("Rename...", rename)
    menu.addAction("Colour...", recolour)
    into = menu.addMenu("Merge into")
    for other in shown.categories:
        if other != name:
            into.addAction(other, partial(wishes.rename_requested, name, other))
    into.setEnabled(len(shown.categories) > 1)
    chosen = int(wishes.selected_in(category).sum())
    apart = menu.addAction("Split the selected off...", split)
    apart.setEnabled(0 < chosen < shown.counts[category])
    apart.setToolTip("Select a part of it, by lasso or rule, to make that one of its own")
    title = wishes.undo_title
    undo = menu.addAction(f"Undo: {title}" if title else "Undo", wishes.undo_requested)
    undo.setEnabled(bool(title))
    return menu


def ask(parent: QWidget, shown: Shown, category: int, wishes: LookWishes, at: QPoint) -> None:
    menu = category_menu(parent, shown, category, wishes)
    menu.exec(at)
    menu.deleteLater()
