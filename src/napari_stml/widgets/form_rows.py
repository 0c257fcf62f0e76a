"""One row of a form per field: which widget it is, how it is read and filled."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from magicgui import widgets as mg
from magicgui.types import FileDialogMode

from napari_stml.core.params import hints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic.fields import FieldInfo

    from napari_stml.core.params import Source

    Answers = Callable[[Source], Sequence[str]]

NOTHING = "(none)"
MOST_LISTED = 60
"""More possible answers are typed rather than picked from a list."""


@dataclass(frozen=True)
class Row:
    """A widget and the two ways between it and a field's value."""

    widget: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]


@dataclass(frozen=True)
class Field:
    """What a row is built from."""

    name: str
    info: FieldInfo
    hint: dict[str, Any]
    kind: Any
    optional: bool

    @classmethod
    def of(cls, name: str, info: FieldInfo) -> Field:
        kind, optional = _bare(info.annotation)
        return cls(name, info, hints(info), kind, optional)

    @property
    def source(self) -> Source | None:
        return self.hint.get("source")

    @property
    def default(self) -> Any:
        return None if self.info.is_required() else self.info.default

    @property
    def look(self) -> dict[str, Any]:
        title, unit = self.info.title or self.name, self.hint.get("unit", "")
        said = not unit or title.casefold().endswith(unit.casefold())
        return {
            "name": self.name,
            "label": title if said else f"{title} ({unit})",
            "tooltip": self.info.description or "",
        }


def row(field: Field, answers: Answers) -> Row:
    """The row of a field; the order of the questions is the order of what decides."""
    if field.source in {"file", "folder"}:
        return _file(field)
    if get_origin(field.kind) is tuple:
        pairs = get_origin(get_args(field.kind)[0]) is tuple
        return _pairs(field) if pairs else _many(field, answers)
    if field.source == "gene":
        return _text(field)
    if field.source is not None:
        return _picker(field, _known(field, answers))
    if get_origin(field.kind) is Literal:
        return _choice(field)
    if field.kind is bool:
        box = mg.CheckBox(value=bool(field.default), **field.look)
        box.native.setText("")  # the label stands beside it
        return Row(box, lambda: box.value, lambda v: setattr(box, "value", bool(v)))
    if field.kind in {int, float}:
        return _optional_number(field) if field.optional else _number(field)
    return _text(field)


def _bare(annotation: Any) -> tuple[Any, bool]:
    """``X | None`` to X and True."""
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [a for a in get_args(annotation) if a is not type(None)]
        if len(inner) == 1:
            return inner[0], True
    return annotation, False


def _text(field: Field) -> Row:
    line = mg.LineEdit(value=str(field.default or ""), **field.look)
    empty = None if field.optional else ""
    return Row(line, lambda: line.value.strip() or empty, lambda v: _put(line, str(v or "")))


def _choice(field: Field) -> Row:
    box = mg.ComboBox(choices=get_args(field.kind), value=field.default, **field.look)
    return Row(box, lambda: box.value, lambda v: _put(box, v))


def _known(field: Field, answers: Answers) -> list[str]:
    wanted = field.hint.get("holds")
    holding = getattr(answers, "columns_of" if field.source == "part_column" else "holding", None)
    assert field.source is not None
    return [str(a) for a in (holding(wanted) if wanted and holding else answers(field.source))]


def _picker(field: Field, known: list[str]) -> Row:
    always = str(field.hint.get("holds", "")).startswith("*")  # a Run has one, and shows its first
    may_be_empty = field.optional or not known or (field.default == "" and not always)
    choices = ([NOTHING] if may_be_empty else []) + known
    empty = None if field.optional else ""
    first = known[0] if known and field.hint.get("holds") else choices[0]
    start = field.default if field.default in choices else first
    box = mg.ComboBox(choices=choices, value=start, **field.look)

    def write(value: Any) -> None:
        _put(box, value if value in choices else choices[0])

    return Row(box, lambda: empty if box.value == NOTHING else box.value, write)


def _many(field: Field, answers: Answers) -> Row:
    listed = field.source not in {None, "gene", "genes"}
    known = [str(a) for a in answers(field.source)] if listed and field.source else []
    given = [str(v) for v in field.default or ()]
    if known and len(known) <= MOST_LISTED:
        several = mg.Select(choices=known, value=[v for v in given if v in known], **field.look)
        return Row(
            several,
            lambda: tuple(several.value),
            lambda vs: _put(several, [v for v in vs if v in known]),
        )
    line = mg.LineEdit(value=", ".join(given), **field.look)
    return Row(line, lambda: _listed(line.value), lambda vs: _put(line, ", ".join(map(str, vs))))


def _pairs(field: Field) -> Row:
    """A dictionary as lines: "name: value"."""
    box = mg.TextEdit(value=_as_lines(field.default or ()), **field.look)
    return Row(box, lambda: _as_pairs(box.value), lambda pairs: _put(box, _as_lines(pairs)))


def _as_lines(pairs: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in pairs)


def _as_pairs(text: str) -> tuple[tuple[str, ...], ...]:
    lines = (line.partition(":") for line in text.splitlines() if line.strip())
    return tuple((name.strip(), value.strip()) for name, _, value in lines)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())


def _file(field: Field) -> Row:
    many = get_origin(field.kind) is tuple
    mode = FileDialogMode("d" if field.source == "folder" else "rm" if many else "r")
    edit = mg.FileEdit(mode=mode, nullable=True, value=field.default or None, **field.look)

    def read() -> Any:
        value: Any = edit.value
        if many:
            return tuple(str(v) for v in value or ())
        return str(value) if value is not None else None if field.optional else ""

    return Row(edit, read, lambda v: _put(edit, v or None))


def _number(field: Field) -> Row:
    box = _spin(field, field.default)
    return Row(box, lambda: field.kind(box.value), lambda v: _put(box, v))


def _optional_number(field: Field) -> Row:
    """A number that may be left out, typed as text: empty means not given."""
    line = mg.LineEdit(value="" if field.default is None else str(field.default), **field.look)
    return Row(
        line, lambda: line.value.strip() or None, lambda v: _put(line, "" if v is None else str(v))
    )


def _spin(field: Field, value: Any) -> Any:
    whole = field.kind is int
    low, high = bounds(field.info)
    options: dict[str, Any] = {
        "min": low if low is not None else -(10**9),
        "max": high if high is not None else 10**9,
        "step": field.hint.get("step") or (1 if whole else _step(value)),
        **field.look,
    }
    if value is not None:
        options["value"] = value
    box = mg.FloatSpinBox(**options)
    if whole:  # magicgui's own box for these lifts "1" to the least value before "1000" is typed
        box.native.setDecimals(0)
    return box


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest value of a numeric field."""
    low = high = None
    for rule in info.metadata:
        for name in ("ge", "gt"):
            low = getattr(rule, name, None) if getattr(rule, name, None) is not None else low
        for name in ("le", "lt"):
            high = getattr(rule, name, None) if getattr(rule, name, None) is not None else high
    return low, high


def _step(value: Any) -> float:
    size = abs(float(value or 1.0))
    if size < 0.01:
        return float(10.0 ** math.floor(math.log10(size)))
    return 0.01 if size < 1 else 0.1 if size < 10 else 1.0


TALL = (mg.TextEdit, mg.Select)
"""Widgets of several lines."""


def _put(widget: Any, value: Any) -> None:
    widget.value = value
