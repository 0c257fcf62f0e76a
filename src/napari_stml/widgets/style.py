"""Colours of the dock that napari's theme does not have; readable on dark and on light."""

from __future__ import annotations

from qtpy.QtGui import QFont
from qtpy.QtWidgets import QLabel

ACCENT = "#2f6fab"
REMARK = "color: #b86e00;"
ERROR = "color: #d55e00;"
PRIMARY = (
    f"QPushButton {{ background: {ACCENT}; color: white; font-weight: 600; padding: 6px; }}"
    "QPushButton:hover { background: #3a82c6; }"
    "QPushButton:disabled { background: #7d8a96; color: #d8dde2; }"
)
"""The one button of a page that does its work."""


def heading(words: str) -> QLabel:
    """A title within a page; wraps."""
    label = QLabel(words)
    font = QFont(label.font())
    font.setBold(True)
    label.setFont(font)
    label.setWordWrap(True)
    return label


def text(words: str = "") -> QLabel:
    """A paragraph; wraps, so that it never widens the dock."""
    label = QLabel(words)
    label.setWordWrap(True)
    return label
