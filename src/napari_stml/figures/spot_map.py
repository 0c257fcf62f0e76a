"""Pictures of spots by a number, without a section: what a trait's report shows on the tissue."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.figures.lettering import SIZE_PT, plain, style

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

BLUE_TO_RED = (
    "#313695", "#4575b4", "#74add1", "#abd9e9", "#e0f3f8", "#fee090", "#fdae61", "#f46d43",
    "#d73027",
)  # fmt: skip
"""The nine steps that gsMap's own maps have."""
DPI = 150
LARGEST = 4000


@dataclass(frozen=True)
class MapLook:
    """Pixels of a picture and of a spot; None chooses by how far spots lie apart."""

    width: int | None = None
    height: int | None = None
    point: float | None = None
    style: Literal["light", "dark"] = "light"
    longer: int = 1000


class SpotMap:
    """One picture for many values: only the colours are drawn anew.

    Parameters
    ----------
    xy
        Positions, y downwards as in the picture of the tissue.
    """

    def __init__(self, xy: F64, look: MapLook) -> None:
        from matplotlib.figure import Figure

        self._known = np.isfinite(xy).all(axis=1)
        x, y = xy[self._known].T
        wide, high = max(float(np.ptp(x)), 1e-9), max(float(np.ptp(y)), 1e-9)
        scale = look.longer / max(wide, high)
        room = 0.16 * look.longer
        width = min(look.width or round(wide * scale + room), LARGEST)
        height = min(look.height or round(high * scale + 0.5 * room), LARGEST)
        ink, ground = ("#1a1a1a", "white") if look.style == "light" else ("#e6e6e6", "black")
        self._faint = "#9e9e9e" if look.style == "light" else "#6e6e6e"
        with style():
            self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI,
                                  layout="constrained", facecolor=ground)  # fmt: skip
            engine: Any = self._figure.get_layout_engine()
            engine.set(rect=(0.01, 0.01, 0.95, 0.98))
            axes = self._figure.subplots()
            axes.set_facecolor(ground)
            axes.set_aspect("equal")
            axes.invert_yaxis()
            axes.set_axis_off()
            point = look.point or _apart(x, y) * min(width / (wide + 1e-9), scale)
            size = float(np.clip(point, 1.0, 60.0) * 72 / DPI) ** 2
            self._spots: Any = axes.scatter(x, y, s=size, c=np.zeros(len(x)), linewidths=0)
            self._missing: Any = axes.scatter([], [], s=size * 0.6, facecolors="none",
                                              edgecolors=self._faint, linewidths=0.5)  # fmt: skip
            self._spots.set_cmap(_colours())
            self._bar = self._figure.colorbar(self._spots, ax=axes, shrink=0.5, aspect=14)
            self._bar.outline.set_linewidth(0.4)
            self._bar.ax.tick_params(labelsize=SIZE_PT - 1, color=ink, labelcolor=ink)
            self._bar.ax.yaxis.label.set_color(ink)
            self._title: Any = axes.set_title("", color=ink)
        self._places = np.column_stack([x, y])

    def png(self, values: F64, title: str, unit: str, high: float | None = None) -> bytes:
        """Draw values from 0 to ``high`` (their largest); missing ones are empty rings."""
        shown = np.asarray(values, dtype=np.float64)[self._known]
        there = np.isfinite(shown)
        top = high if high is not None else float(shown[there].max()) if there.any() else 1.0
        order = np.argsort(np.where(there, shown, -np.inf), kind="stable")[(~there).sum() :]
        with style():
            self._spots.set_offsets(self._places[order])
            self._spots.set_array(shown[order])
            self._spots.set_clim(0, top if top > 0 else 1.0)
            self._missing.set_offsets(self._places[~there])
            self._title.set_text(plain(title, 60))
            self._bar.set_label(plain(unit, 40), fontsize=SIZE_PT - 1)
            return self._encoded()

    def _encoded(self) -> bytes:
        """256 colours: a page holds a hundred of these."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        canvas = FigureCanvasAgg(self._figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        self._figure.set_layout_engine("none")  # it stays for the next values
        pixels: Any = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        picture = Image.frombytes("RGBA", canvas.get_width_height(), pixels).convert("RGB")
        small = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        out = io.BytesIO()
        small.save(out, "PNG", optimize=False)
        return out.getvalue()


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blue to red", list(BLUE_TO_RED))


def _apart(x: F64, y: F64) -> float:
    """Mean distance to the nearest other spot."""
    from scipy.spatial import KDTree

    if len(x) < 2:
        return 1.0
    away, _ = KDTree(np.column_stack([x, y])).query(np.column_stack([x, y]), k=2)
    found = away[:, 1][away[:, 1] > 0]
    return float(found.mean()) if len(found) else 1.0
