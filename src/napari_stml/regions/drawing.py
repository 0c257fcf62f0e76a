"""All regions of one section, with every edit undone and done again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.regions.classes import ClassList
from napari_stml.regions.region import Drawn, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_stml.regions.geojson import Collection

MOST_STEPS = 2000


@dataclass(frozen=True)
class Step:
    """One edit: what regions were and became; None where they did not or no longer exist.

    ``places`` says where regions stood in the order, so that an undone deletion puts them back.
    """

    title: str
    before: Mapping[str, Drawn | None]
    after: Mapping[str, Drawn | None]
    places: Mapping[str, int] = field(default_factory=dict)
    classes_before: ClassList | None = None
    classes_after: ClassList | None = None
    at: str = ""
    by: str = ""

    @property
    def reverse(self) -> Step:
        return replace(
            self, title=f"undo: {self.title}", before=self.after, after=self.before,
            classes_before=self.classes_after, classes_after=self.classes_before,
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """What must be known to repeat it on any state: setting twice changes nothing."""
        found: dict[str, Any] = {"title": self.title, "at": self.at, "by": self.by}
        found["set"] = [
            [self.places.get(i, -1), r.record()] for i, r in self.after.items() if r is not None
        ]
        found["gone"] = [i for i, r in self.after.items() if r is None]
        if self.classes_after is not None:
            found["classes"] = self.classes_after.record()
        return found


class Drawing:
    """The regions of a section in the order in which they are drawn, and their classes.

    ``listeners`` are called after every edit, undo and redo with the step as it was applied.
    """

    def __init__(
        self, regions: Iterable[Drawn] = (), classes: ClassList | None = None, author: str = ""
    ) -> None:
        self._regions = {r.id: r for r in regions}
        self.classes = ClassList.usual() if classes is None else classes
        for region in self._regions.values():
            self.classes = self.classes.having(region.kind, region.colour)
        self.author = author
        self.listeners: list[Callable[[Step], object]] = []
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def regions(self) -> tuple[Drawn, ...]:
        return tuple(self._regions.values())

    def __len__(self) -> int:
        return len(self._regions)

    def get(self, region: str) -> Drawn | None:
        return self._regions.get(region)

    def some(self, ids: Iterable[str]) -> list[Drawn]:
        return [self._regions[i] for i in ids if i in self._regions]

    def is_hidden(self, region: Drawn) -> bool:
        own = self.classes.get(region.kind)
        return region.hidden or (own is not None and own.hidden)

    def is_locked(self, region: Drawn) -> bool:
        own = self.classes.get(region.kind)
        return region.locked or (own is not None and own.locked)

    # edits

    def add(self, *regions: Drawn, title: str = "") -> None:
        """Add regions; classes that the list lacks are added with them."""
        title = title or (f"draw {regions[0].title}" if len(regions) == 1 else "add regions")
        self.put(title, regions)

    def put(self, title: str, regions: Iterable[Drawn], gone: Iterable[str] = ()) -> None:
        """Set these regions, new or changed, and take others away, as one step."""
        new = {r.id: r if r.author or r.id in self._regions else replace(r, author=self.author)
               for r in regions}  # fmt: skip
        gone = [i for i in gone if i in self._regions and i not in new]
        before = {i: self._regions.get(i) for i in (*new, *gone)}
        for old in before.values():
            self._refuse_locked(old, new.get(old.id) if old is not None else None)
        classes = self.classes
        for region in new.values():
            classes = classes.having(region.kind, region.colour)
        after: dict[str, Drawn | None] = {**new, **dict.fromkeys(gone)}
        self._do(title, before, after, classes)

    def bring_back(self, regions: Iterable[Drawn], gone: Iterable[str], classes: ClassList) -> None:
        """Set a recovered state, locked regions included."""
        after: dict[str, Drawn | None] = {r.id: r for r in regions}
        after |= dict.fromkeys(gone)
        before = {i: self._regions.get(i) for i in after}
        self._do("bring back what was not saved", before, after, classes)

    def read(self, found: Collection, title: str) -> None:
        """Add what a file holds; regions of known ids are changed, its colours are for new classes.

        A class that the list has and no region uses takes the file's colour.
        """
        classes = self.classes
        used = {r.kind for r in self.regions}
        for own in found.classes:
            if classes.get(own.name) is not None and own.name not in used:
                classes = classes.changed(own.name, colour=own.colour)
            classes = classes.having(own.name, own.colour)
        after: dict[str, Drawn | None] = {r.id: r for r in found.regions}
        before = {i: self._regions.get(i) for i in after}
        for old in before.values():
            self._refuse_locked(old, after[old.id] if old is not None else None)
        self._do(title, before, after, classes)

    def delete(self, *ids: str) -> None:
        known = [i for i in ids if i in self._regions]
        if known:
            what = self._regions[known[0]].title if len(known) == 1 else f"{len(known)} regions"
            self.put(f"delete {what}", (), known)

    def change(self, ids: Iterable[str], title: str, **changes: Any) -> None:
        """Change name, notes, class, lock ... of some regions."""
        self.put(title, [r.with_(**changes) for r in self.some(ids)])

    def edit_classes(self, title: str, classes: ClassList) -> None:
        self._do(title, {}, {}, classes)

    def rename_class(self, name: str, to: str) -> None:
        """Rename a class with all its regions; the name of another one merges the two."""
        merging = self.classes.get(to) is not None
        self._refuse_locked_class(name)
        mine = {r.id: r for r in self.regions if r.kind == name}
        classes = self.classes.without(name) if merging else self.classes.changed(name, name=to)
        title = f"merge {name} into {to}" if merging else f"rename {name} to {to}"
        after: dict[str, Drawn | None] = {i: r.with_(kind=to) for i, r in mine.items()}
        self._do(title, dict(mine), after, classes)

    def remove_class(self, name: str) -> None:
        """Take a class out of the list; its regions lose their class."""
        self._refuse_locked_class(name)
        mine = {r.id: r for r in self.regions if r.kind == name}
        after: dict[str, Drawn | None] = {i: r.with_(kind="") for i, r in mine.items()}
        self._do(f"remove class {name}", dict(mine), after, self.classes.without(name))

    def _refuse_locked(self, old: Drawn | None, new: Drawn | None) -> None:
        if old is None or not self.is_locked(old):
            return
        if new is not None and replace(new, locked=old.locked, hidden=old.hidden,
                                       changed=old.changed) == old:  # fmt: skip
            return  # only lock or visibility
        raise StmlError(f"'{old.title}' is locked", do="unlock it (or its class) to change it")

    def _refuse_locked_class(self, name: str) -> None:
        own = self.classes.get(name)
        if own is not None and own.locked:
            raise StmlError(f"The class '{name}' is locked", do="unlock it to change it")

    def _do(
        self, title: str, before: Mapping[str, Drawn | None], after: Mapping[str, Drawn | None],
        classes: ClassList,
    ) -> None:  # fmt: skip
        same = classes == self.classes
        order = {i: n for n, i in enumerate(self._regions)}
        places = {i: order[i] for i in after if i in order}
        step = Step(
            title, before, after, places, None if same else self.classes,
            None if same else classes, now(), self.author,
        )  # fmt: skip
        if same and dict(before) == dict(after):
            return
        self._apply(step)
        self._done = [*self._done, step][-MOST_STEPS:]
        self._undone.clear()
        self._tell(step)

    def _apply(self, step: Step) -> None:
        new: list[tuple[int, Drawn]] = []
        for i, region in step.after.items():
            if region is None:
                self._regions.pop(i, None)
            elif i in self._regions:
                self._regions[i] = region
            else:
                new.append((step.places.get(i, len(self._regions) + len(new)), region))
        if new:
            order = list(self._regions.values())
            for place, region in sorted(new, key=lambda p: p[0]):
                order.insert(place, region)
            self._regions = {r.id: r for r in order}
        if step.classes_after is not None:
            self.classes = step.classes_after

    def _tell(self, step: Step) -> None:
        for listener in tuple(self.listeners):
            listener(step)

    # undo

    @property
    def undo_title(self) -> str:
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        return self._undone[-1].title if self._undone else ""

    def undo(self) -> str:
        """Take the latest edit back; returns its title, "" for none."""
        if not self._done:
            return ""
        step = self._done.pop()
        self._undone.append(step)
        back = replace(step.reverse, at=now(), by=self.author)
        self._apply(back)
        self._tell(back)
        return step.title

    def redo(self) -> str:
        if not self._undone:
            return ""
        step = self._undone.pop()
        self._done.append(step)
        again = replace(step, at=now(), by=self.author)
        self._apply(again)
        self._tell(again)
        return step.title


def replayed(
    regions: Iterable[Drawn], classes: ClassList, entries: Iterable[Mapping[str, Any]]
) -> Drawing:
    """A state with journal entries applied on top; any earlier state of them gives the same."""
    found = Drawing(regions, classes)
    for entry in entries:
        after: dict[str, Drawn | None] = dict.fromkeys(entry.get("gone", ()))
        places: dict[str, int] = {}
        for place, record in entry.get("set", ()):
            region = Drawn.of(record)
            after[region.id] = region
            if place >= 0:
                places[region.id] = place
        own = ClassList.of(entry["classes"]) if "classes" in entry else None
        found._apply(Step("", {}, after, places, None, own))
    return found
