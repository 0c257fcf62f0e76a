"""What napari calls: the dock, the reader, the sample. Light at import; work starts later."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer
    from qtpy.QtWidgets import QWidget

LayerData = tuple[Any, dict[str, Any], str]


class Dock:
    """The one dock of the plugin, as napari makes it: a class whose signature asks for a viewer."""

    def __new__(cls, napari_viewer: napari.viewer.Viewer) -> QWidget:
        from napari_stml.widgets.dock import StmlDock

        return StmlDock(napari_viewer)

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        raise AssertionError("napari reads this signature; the widget is made by __new__")


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Claim what `Section.open` takes; decided on names and small metadata alone."""
    from napari_stml.io.readers import claimant

    if claimant(path) is None:
        return None
    return _open_in_current_viewer


def _open_in_current_viewer(path: Any) -> list[LayerData]:
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        raise RuntimeError("opening a section needs a napari window")
    show_dock(viewer).open(path)
    return [(None,)]  # type: ignore[list-item]  # napari's word for "nothing to add"


def demo_sample() -> list[LayerData]:
    """Make the demo section in the user's cache, once; its slide and its spots as plain layers.

    napari takes layers from a sample and nothing else; `napari-stml demo` opens it in the dock.
    """
    import platformdirs

    from napari_stml.demo import DEMO_VERSION, make_demo
    from napari_stml.io.section import Section
    from napari_stml.viewer.sample import sample_layers

    cache = os.environ.get("STML_CACHE_HOME") or platformdirs.user_cache_dir("napari-stml")
    demo = make_demo(Path(cache) / f"demo-{DEMO_VERSION}")
    return [layer.as_layer_data_tuple() for layer in sample_layers(Section.open(demo.store))]


def show_dock(viewer: napari.viewer.Viewer) -> Any:
    """The STML dock of a viewer, added when it is not there yet."""
    from napari_stml.widgets.dock import StmlDock

    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, StmlDock):
            return widget
    widget = StmlDock(viewer)
    viewer.window.add_dock_widget(widget, name="STML", area="right")
    return widget


def open_window(paths: Sequence[str | Path], **choices: Any) -> None:
    """`napari-stml open`: a window of our own, with slides sliced off the main thread.

    The tissue comes first, the dock when it is painted. Nothing is garbage until then: looking
    for it would take a sixth of the start.
    """
    os.environ.setdefault("NAPARI_ASYNC", "1")
    gc.disable()
    import napari

    from napari_stml.widgets.first_section import FirstSection

    viewer = napari.Viewer(title="napari-stml")

    def dock(words: str | None) -> None:
        gc.freeze()
        gc.enable()
        widget = show_dock(viewer)
        if words is not None:
            widget.head.failed(words)
        for path in paths[1:]:
            widget.open(path, **choices)

    first = FirstSection(viewer, paths[0], choices, dock)
    napari.run()
    del first


def tour(demo: Path, into: Path) -> list[Path]:
    """Show the demo in a real window, look at it from several sides, leave pictures."""
    os.environ.setdefault("NAPARI_ASYNC", "1")
    from napari_stml.widgets.tour import tour as run

    return run(demo, into)
