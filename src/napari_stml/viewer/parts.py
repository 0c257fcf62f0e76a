"""Paint parts of results that are not stored (yet), and light up what a chart stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.results import Labels, Values

if TYPE_CHECKING:
    from napari_stml.core.charts import Link
    from napari_stml.viewer.state import ViewerState


def paint_part(state: ViewerState, part: Labels | Values) -> None:
    """Colour the current section's observations by a part of a live result."""
    if state.current is None:
        return
    if isinstance(part, Labels):
        state.current.colour_by_codes(part.name, part.codes, part.categories, part.colours)
    else:
        state.current.colour_by_values(part.name, part.values)
    state.shown_changed.emit()


def meant_by(
    state: ViewerState, links: tuple[Link, ...], ids: tuple[str, ...], run: str = ""
) -> frozenset[str]:
    """The observations that a clicked mark stands for, where it stands for several things.

    Two categories of one value mean the observations of either; categories of two values (a type
    and a niche) those of both, or of either where nothing is both.
    """
    by_value: dict[tuple[str, str], frozenset[str]] = {}
    for link, name in zip(links, ids, strict=True):
        key = (link.kind, link.value)
        found = named_by(state, link, (name,), run)
        by_value[key] = by_value.get(key, frozenset()) | found
    if not by_value:
        return frozenset()
    return frozenset.intersection(*by_value.values()) or frozenset.union(*by_value.values())


def named_by(state: ViewerState, link: Link, ids: tuple[str, ...], run: str = "") -> frozenset[str]:
    """The observations that the clicked marks of a chart (of a Run) stand for."""
    view = state.current
    if view is None or view.section.observations is None:
        return frozenset()
    if link.kind == "observations":
        return frozenset(ids)
    if link.kind == "category" and link.value:
        shelf = view.section.shelf
        runs = shelf.records if shelf is not None else {}
        newest = [name for name in (run, *reversed(tuple(runs))) if name in runs]
        name = next(
            (f"{known}/{link.value}" for known in newest
             if any(e.name == link.value for e in runs[known].parts)),
            link.value,
        )  # fmt: skip
        values = view.section.values(name)
        inside = values.astype(str).isin(ids).to_numpy()
        return frozenset(view.section.observations.names[inside].tolist())
    return frozenset()
