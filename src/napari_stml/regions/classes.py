"""The list of region classes: colour, key, lock, visibility."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_stml.core.colours import PALETTE
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_stml.regions.region import Drawn

USUAL = ("Tumour", "Stroma", "Immune cells", "Necrosis", "Normal", "Ignore")
"""What a new section offers; unused ones cost nothing and can be renamed."""

KEYS = "123456789"


@dataclass(frozen=True)
class RegionClass:
    """One class; ``key`` is the digit that sets it, "" for none."""

    name: str
    colour: str
    key: str = ""
    locked: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class ClassList:
    """All classes of a section, in the order of the list. Names are unique."""

    classes: tuple[RegionClass, ...] = ()

    @classmethod
    def usual(cls) -> ClassList:
        found = cls()
        for name in USUAL:
            found = found.having(name)
        return found

    def __iter__(self) -> Iterator[RegionClass]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def get(self, name: str) -> RegionClass | None:
        return next((c for c in self.classes if c.name == name), None)

    def at_key(self, key: str) -> RegionClass | None:
        return next((c for c in self.classes if c.key == key), None) if key else None

    def colour_of(self, name: str) -> str:
        """Of a class of the list; grey for others."""
        found = self.get(name)
        return found.colour if found is not None else "#6b6b6b"

    def colour_for(self, region: Drawn) -> str:
        return region.colour or self.colour_of(region.kind)

    def having(self, name: str, colour: str = "") -> ClassList:
        """With a class of that name: the one there is, or a new one with a free colour and key."""
        if not name or self.get(name) is not None:
            return self
        taken = {c.colour for c in self.classes}
        free = next((c for c in PALETTE if c not in taken), PALETTE[len(self) % len(PALETTE)])
        key = next((k for k in KEYS if self.at_key(k) is None), "")
        return ClassList((*self.classes, RegionClass(name, colour or free, key)))

    def changed(self, name: str, /, **changes: Any) -> ClassList:
        """Change one class; a key or name that another class has is refused."""
        if self.get(name) is None:
            raise StmlError(f"There is no class '{name}'")
        for other in self.classes:
            if other.name == name:
                continue
            if changes.get("name") == other.name:
                raise StmlError(f"A class '{other.name}' exists", do="merge them instead")
            if changes.get("key") and changes["key"] == other.key:
                raise StmlError(
                    f"The key {other.key} belongs to '{other.name}'", do="choose another"
                )
        if changes.get("name") == "" or not _is_colour(changes.get("colour", "#000000")):
            raise StmlError("A class has a name and a colour #rrggbb")
        return ClassList(tuple(replace(c, **changes) if c.name == name else c for c in self))

    def without(self, name: str) -> ClassList:
        return ClassList(tuple(c for c in self.classes if c.name != name))

    def counts(self, regions: Iterable[Drawn]) -> dict[str, int]:
        """How many regions each class has; "" for those without."""
        found = dict.fromkeys([c.name for c in self.classes], 0)
        for region in regions:
            found[region.kind] = found.get(region.kind, 0) + 1
        return found

    def record(self) -> list[dict[str, Any]]:
        return [asdict(c) for c in self.classes]

    @classmethod
    def of(cls, records: Any) -> ClassList:
        """From what was stored; what is not understood is left out."""
        found: dict[str, RegionClass] = {}
        for record in records if isinstance(records, list) else []:
            if isinstance(record, dict) and record.get("name"):
                one = _class_of(record)
                found.setdefault(one.name, one)
        return cls(tuple(found.values()))


def _class_of(record: Mapping[str, Any]) -> RegionClass:
    colour = str(record.get("colour", ""))
    return RegionClass(
        str(record["name"]), colour if _is_colour(colour) else PALETTE[0],
        str(record.get("key", ""))[:1], bool(record.get("locked")), bool(record.get("hidden")),
    )  # fmt: skip


def _is_colour(text: str) -> bool:
    return re.fullmatch("#[0-9a-fA-F]{6}", text) is not None
