"""A YAML file with the line of every entry, so that an error can say where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError, StmlError

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str | int, ...]


class RecipeError(StmlError):
    """A recipe that cannot be followed; ``where`` names file, line and step."""


@dataclass(frozen=True)
class RecipeText:
    """The values of a YAML file, and the line on which each stands (from 1)."""

    path: Path
    values: Any
    lines: dict[Place, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> RecipeText:
        import yaml

        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CannotOpenError("The recipe cannot be read", where=path, do=str(error)) from error
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark is not None else ""
            problem = getattr(error, "problem", None) or "it is no YAML"
            raise RecipeError(
                f"The recipe is not well-formed: {problem}", where=f"{path.name}{line}",
                do="check the indentation and the colons there",
            ) from error  # fmt: skip
        found = cls(path, values)
        found._collect(root, ())
        return found

    def line(self, place: Place) -> int:
        """The line of an entry, or of the nearest one that holds it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, what: str, place: Place, do: str = "") -> RecipeError:
        where = f"{self.path.name}, line {self.line(place)}"
        step = self._step(place)
        return RecipeError(what, where=f"{where}, {step}" if step else where, do=do)

    def _step(self, place: Place) -> str:
        if len(place) < 2 or place[0] != "steps" or not isinstance(place[1], int):
            return ""
        try:
            step = self.values["steps"][place[1]]
            return f"step '{step.get('name') or step['analysis']}'"
        except (LookupError, TypeError, AttributeError):
            return f"step {place[1] + 1}"

    def _collect(self, node: Any, place: Place) -> None:
        if node is None:
            return
        self.lines.setdefault(place, node.start_mark.line + 1)
        if node.id == "mapping":
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                self.lines[*place, name] = key.start_mark.line + 1
                if name in seen:
                    raise self.error(f"'{name}' is given twice", (*place, name), "remove one")
                seen.add(name)
                self._collect(value, (*place, name))
        elif node.id == "sequence":
            for i, item in enumerate(node.value):
                self._collect(item, (*place, i))
