"""Single keys on the canvas: letters that no layer of napari uses.

=======  =====================================================
H        observations on or off
J K      one category after the other, backwards and forwards
U        all categories again
G        swipe between this value and the one before, on or off
N        zoom to what is selected, else to everything
Shift+N  zoom to the tissue
Q        zoom to the next drawn region
Shift+Q  everything (napari's own Ctrl+R does the same)
W        the overview map on or off
=======  =====================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_stml.viewer.state import ViewerState

KEYS = {
    "H": "observations on or off",
    "J": "the category before, alone",
    "K": "the next category, alone",
    "U": "all categories",
    "G": "swipe between the last two values",
    "N": "zoom to the selection",
    "Shift-N": "zoom to the tissue",
    "Q": "zoom to the next region",
    "Shift-Q": "zoom to everything",
    "W": "overview map on or off",
}


def bind_keys(state: ViewerState) -> None:
    wishes = state.wishes
    acts: dict[str, Callable[[], None]] = {
        "H": wishes.overlay_toggled,
        "J": lambda: wishes.isolate_requested(-1),
        "K": lambda: wishes.isolate_requested(1),
        "U": lambda: wishes.isolate_requested(0),
        "G": wishes.swipe_toggled,
        "N": lambda: wishes.zoom_requested("selection"),
        "Shift-N": lambda: wishes.zoom_requested("tissue"),
        "Q": lambda: wishes.zoom_requested("region"),
        "Shift-Q": lambda: wishes.zoom_requested("everything"),
        "W": wishes.overview_toggled,
    }
    for key, act in acts.items():
        state.viewer.bind_key(key, _without_viewer(act), overwrite=True)


def _without_viewer(act: Callable[[], None]) -> Callable[[Any], None]:
    def pressed(viewer: Any) -> None:
        act()

    return pressed
