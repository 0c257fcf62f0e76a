"""Whether a window can be shown at all."""

from __future__ import annotations

import os
import sys


def has_display() -> bool:
    """On Linux a display must be named; Qt's own word for "draw nowhere" counts as one."""
    if sys.platform != "linux":
        return True
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or os.environ.get("QT_QPA_PLATFORM") == "offscreen"
