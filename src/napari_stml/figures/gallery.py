"""A gallery of tiles for print: the tile, every map of it on the one shared scale, its values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_stml.core.colours import ColourScale
from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Box
from napari_stml.core.results import Heatmap, Tiles
from napari_stml.figures.drawing import Drawing, creator
from napari_stml.figures.lettering import MM_PER_INCH, SIZE_PT, fitting, number, plain, style
from napari_stml.figures.pixels import read_picture, window_for
from napari_stml.figures.placing import covering
from napari_stml.io.alignment import with_kept_alignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_stml.io.section import Section

Pick = Literal["random", "highest", "lowest", "chosen"]
PICKS: tuple[Pick, ...] = get_args(Pick)
MOST_TILES = 60
EDGE_MM, GAP_MM, HEAD_MM, FOOT_MM, WORDS_MM = 2.0, 1.5, 10.0, 13.0, 36.0
TILE_PX = 224


@dataclass(frozen=True)
class Shelved:
    """The maps and tiles of some Runs, and of which tiles they are."""

    maps: tuple[tuple[str, Heatmap], ...]
    tiles: Tiles
    names: tuple[str, ...]
    """Of the observations nearest to the tiles; "" where none lies inside."""


@dataclass(frozen=True)
class Choice:
    """Which tiles, and how they are printed.

    Attributes
    ----------
    pick
        ``highest`` and ``lowest`` go by ``by``, a value of the tiles (the first one where empty).
    chosen
        Numbers of tiles, or names of observations, for ``chosen``.
    opacity
        Of the maps over the tile.
    """

    pick: Pick = "random"
    count: int = 8
    seed: int = 0
    by: str = ""
    chosen: tuple[str, ...] = ()
    width_mm: float = 170.0
    dpi: int = 200
    opacity: float = 0.55

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_TILES:
            raise StmlError(f"A gallery holds 1 to {MOST_TILES} tiles", where=str(self.count))
        if not 40 <= self.width_mm <= 2000 or not 36 <= self.dpi <= 1200:
            raise StmlError("A gallery is 40 to 2000 mm wide at 36 to 1200 dpi")


def gallery(section: Section, runs: Sequence[str], how: Choice | None = None) -> Drawing:
    """Draw tiles of stored Runs that hold tiles and heat maps (attention, relevance, control)."""
    how = how or Choice()
    section = with_kept_alignment(section)
    found = _shelved(section, runs)
    rows = choose(found, how)
    with style():
        figure = _drawn(section, found, rows, how)
    report = {
        "program": creator(), "section": section.name, "runs": list(runs), **asdict(how),
        "tiles": rows.tolist(), "maps": [name for name, _ in found.maps],
        "limits": list(_limits(found)),
    }  # fmt: skip
    return Drawing(figure, how.dpi, f"{section.name}: gallery of {', '.join(runs)}", report)


def _shelved(section: Section, runs: Sequence[str]) -> Shelved:
    shelf = section.shelf
    maps: list[tuple[str, Heatmap]] = []
    tiles: Tiles | None = None
    for run in runs:
        if shelf is None or run not in shelf.records:
            raise StmlError(f"There is no Run '{run}'", where=section.name,
                            do="see napari-stml runs")  # fmt: skip
        for entry in shelf.entries(run):
            if entry.kind not in {"Heatmap", "Tiles"}:
                continue
            part = shelf.part(run, entry.name)
            if isinstance(part, Heatmap):
                maps.append((f"{run}\n{entry.name}" if len(runs) > 1 else entry.name, part))
            elif isinstance(part, Tiles) and tiles is None:
                tiles = part
    if tiles is None or not maps:
        raise StmlError(
            "A gallery needs a Run with tiles and heat maps", where=", ".join(runs),
            do="choose a Run of 'Attention'",
        )  # fmt: skip
    return Shelved(tuple(maps), tiles, _named(section, tiles))


def _named(section: Section, tiles: Tiles) -> tuple[str, ...]:
    observed = section.observations
    if observed is None or not len(observed):
        return ("",) * len(tiles.xy)
    from scipy.spatial import cKDTree

    away, near = cKDTree(observed.xy).query(tiles.xy + tiles.side / 2, p=np.inf)
    inside = away <= tiles.side / 2
    return tuple(str(observed.names[i]) if ok else "" for i, ok in zip(near, inside, strict=True))


def choose(found: Shelved, how: Choice) -> NDArray[np.intp]:
    """Rows of the tiles that are shown, in the order of the pages."""
    n = len(found.tiles.xy)
    if how.pick == "chosen":
        place = {name: i for i, name in reversed(list(enumerate(found.names))) if name}
        rows = [place.get(c, int(c) if c.isdigit() and int(c) < n else -1) for c in how.chosen]
        missing = [c for c, row in zip(how.chosen, rows, strict=True) if row < 0]
        if missing or not rows:
            raise StmlError(
                f"There is no tile '{missing[0]}'" if missing else "No tile was chosen",
                do=f"give numbers from 0 to {n - 1}, or names of observations that have a tile",
            )  # fmt: skip
        return np.array(rows[:MOST_TILES], dtype=np.intp)
    count = min(how.count, n)
    if how.pick == "random":
        return np.sort(np.random.default_rng(how.seed).choice(n, count, replace=False))
    by = how.by or next(iter(found.tiles.values), "")
    values = found.tiles.values.get(by)
    if values is None or np.asarray(values).dtype.kind not in "fiub":
        raise StmlError(
            f"The tiles have no numbers '{by}'", where="by",
            do=f"choose one of {', '.join(found.tiles.values)}",
        )  # fmt: skip
    numbers = np.asarray(values, dtype=np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, -np.inf if how.pick == "highest" else np.inf)
    order = np.argsort(-numbers if how.pick == "highest" else numbers, kind="stable")
    return np.asarray(order[:count], dtype=np.intp)


def _limits(found: Shelved) -> tuple[float, float]:
    """Ends of the scale that all maps share."""
    ends = []
    for _, part in found.maps:
        known = part.pixels[np.isfinite(part.pixels)]
        top = float(np.percentile(known, 99.5)) if known.size else 1.0
        ends.append(part.limits or (0.0, top))
    return min(low for low, _ in ends), max(high for _, high in ends)


def _drawn(section: Section, found: Shelved, rows: NDArray[np.intp], how: Choice) -> Figure:
    from matplotlib.figure import Figure

    columns = 1 + len(found.maps)
    block = how.width_mm - 2 * EDGE_MM
    beside = max(1, min(2 if columns <= 3 else 1, len(rows)))
    room = block / beside - WORDS_MM - GAP_MM * columns
    tile = min(40.0, room / columns)
    down = -(-len(rows) // beside)
    height = HEAD_MM + down * (tile + GAP_MM) + FOOT_MM + EDGE_MM
    figure = Figure(figsize=(how.width_mm / MM_PER_INCH, height / MM_PER_INCH), dpi=how.dpi)
    figure.set_facecolor("white")
    scale = ColourScale("magma", *_limits(found))

    def place(x: float, y: float, w: float, h: float) -> Any:
        axes = figure.add_axes((x / how.width_mm, 1 - (y + h) / height, w / how.width_mm,
                                h / height))  # fmt: skip
        axes.set_axis_off()
        return axes

    for i, row in enumerate(rows.tolist()):
        x = EDGE_MM + (i % beside) * (block / beside)
        y = HEAD_MM + (i // beside) * (tile + GAP_MM)
        left, top = found.tiles.xy[row].tolist()
        box = Box(left, top, found.tiles.side, found.tiles.side)
        picture = _picture(section, box)
        place(x, y, tile, tile).imshow(picture)
        for k, (name, part) in enumerate(found.maps, start=1):
            axes = place(x + k * (tile + GAP_MM), y, tile, tile)
            axes.imshow(_grey(picture), extent=(0, 1, 1, 0))
            axes.imshow(_over(part, box, scale, how.opacity), extent=(0, 1, 1, 0),
                        interpolation="nearest")  # fmt: skip
            if i < beside:
                figure.text((x + k * (tile + GAP_MM)) / how.width_mm, 1 - (HEAD_MM - 1) / height,
                            name, va="bottom", fontsize=SIZE_PT - 1)  # fmt: skip
        words = (x + columns * (tile + GAP_MM)) / how.width_mm
        figure.text(words, 1 - y / height, _words(found, row), va="top", fontsize=SIZE_PT - 1.5,
                    linespacing=1.35)  # fmt: skip
    title = fitting(
        f"{section.name}, {len(rows)} tiles ({how.pick})", block, SIZE_PT + 1, bold=True
    )
    figure.text(EDGE_MM / how.width_mm, 1 - 2.2 / height, title, fontweight="bold", va="center",
                fontsize=SIZE_PT + 1)  # fmt: skip
    _bar(place(EDGE_MM + 4, height - FOOT_MM, min(60.0, block / 2), 3.0), scale, found)
    return figure


def _picture(section: Section, box: Box) -> NDArray[np.uint8]:
    """The tile as it lies on the slide; white beyond its edge."""
    placed = next(iter(section.images.values()), None)
    if placed is None:
        raise StmlError("This section has no image", where=section.name)
    own = covering(placed.affine.inverse(), box)
    out = np.full((TILE_PX, TILE_PX, 3), 255, dtype=np.uint8)
    window = window_for(placed.slide, own, TILE_PX, TILE_PX)
    if window is None:
        return out
    from PIL import Image

    read = read_picture(placed.slide, window)
    each = own.width / TILE_PX
    x, y = round((read.box.x - own.x) / each), round((read.box.y - own.y) / each)
    w, h = max(1, round(read.box.width / each)), max(1, round(read.box.height / each))
    pixels = np.asarray(Image.fromarray(read.pixels).resize((w, h), Image.Resampling.BILINEAR))
    a, b = max(0, -y), max(0, -x)
    part = pixels[a : a + TILE_PX - max(0, y), b : b + TILE_PX - max(0, x)]
    out[max(0, y) : max(0, y) + len(part), max(0, x) : max(0, x) + part.shape[1]] = part
    return out


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paler and without colour, so that the map alone has colour."""
    grey = picture.astype(np.float32).mean(axis=2, keepdims=True)
    return np.repeat((255 - (255 - grey) * 0.8).astype(np.uint8), 3, axis=2)


def _over(part: Heatmap, box: Box, scale: ColourScale, opacity: float) -> NDArray[np.float32]:
    """The part of a map that lies on a tile, as colours; missing patches are transparent."""
    own = covering(part.affine.inverse(), box)
    x0, y0 = round(own.x), round(own.y)
    x1, y1 = x0 + max(1, round(own.width)), y0 + max(1, round(own.height))
    h, w = part.pixels.shape
    values = np.full((y1 - y0, x1 - x0), np.nan, dtype=np.float32)
    ys, xs = slice(max(0, y0), min(h, y1)), slice(max(0, x0), min(w, x1))
    values[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0] = part.pixels[ys, xs]
    colours = np.asarray(scale(values.astype(np.float64).ravel()), dtype=np.float32)
    colours = colours.reshape(*values.shape, 4)
    colours[:, :, 3] = np.where(np.isfinite(values), opacity, 0)
    return colours


def _words(found: Shelved, row: int) -> str:
    lines = [f"tile {row}" + (f", {plain(found.names[row], 24)}" if found.names[row] else "")]
    for name, values in list(found.tiles.values.items())[:6]:
        value = values[row]
        said = number(float(value)) if isinstance(value, int | float | np.number) else str(value)
        lines.append(f"{plain(name, 30)}: {said}")
    return "\n".join(lines)


def _bar(axes: Any, scale: ColourScale, found: Shelved) -> None:
    axes.set_axis_on()
    axes.imshow(scale.table[None, :, :], aspect="auto", extent=(scale.low, scale.high, 0, 1))
    axes.set_yticks([])
    unit = found.maps[0][1].unit
    axes.set_xlabel(f"all maps, {unit}" if unit else "all maps", labelpad=1)
    axes.set_label("scale")
