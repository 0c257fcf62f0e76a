"""Keys of the written AnnData: valid on disk, and in another program's words when asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotSaveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SLOTS = ("obs", "obsm", "layers", "uns")


@dataclass(frozen=True)
class KeyNames:
    """Renames keys on the way out.

    ``names`` maps "slot/key" (or a bare key, in every slot) to the name wanted. "X" may be
    mapped to "layers/<name>": the matrix is then written there as well, for programs that
    look for counts in a layer.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, slot: str, key: str) -> str:
        wanted = self.names.get(f"{slot}/{key}", self.names.get(key))
        if wanted is None:
            return valid_key(key)
        slot_given, _, rest = wanted.rpartition("/")
        if slot_given and slot_given != slot:
            raise CannotSaveError(
                f"'{slot}/{key}' cannot be written as '{wanted}'",
                where="names",
                do=f"keep it in {slot}",
            )
        return valid_key(rest)

    def all(self, slot: str, keys: Iterable[str]) -> dict[str, str]:
        """New names by old ones; two keys never become one."""
        renamed = {key: self.of(slot, key) for key in keys}
        seen: dict[str, str] = {}
        for old, new in renamed.items():
            if new.casefold() in seen:
                raise CannotSaveError(
                    f"'{seen[new.casefold()]}' and '{old}' would both be written as '{new}'",
                    where=slot,
                    do="rename one of them",
                )
            seen[new.casefold()] = old
        return renamed

    @property
    def x_as_layer(self) -> str | None:
        wanted = self.names.get("X")
        if wanted is None:
            return None
        slot, _, key = wanted.partition("/")
        if slot != "layers" or not key:
            raise CannotSaveError(
                f"X cannot be written as '{wanted}'", where="names", do="use layers/<name>"
            )
        return valid_key(key)


def valid_key(key: str) -> str:
    """AnnData forbids "/" in keys and "_index" as a column."""
    clean = key.replace("/", "_").strip() or "unnamed"
    return "index_" if clean == "_index" else clean
