"""Parameters as command-line options: one rule for the parser and for repeating a Run."""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from napari_stml.core.errors import StmlError
from napari_stml.core.params import applying, condition_words, hints

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from pydantic.fields import FieldInfo

    from napari_stml.core.params import Params

RESERVED = frozenset({
    "choose", "device", "filter", "help", "list", "live", "region", "scope-columns", "scope-of",
    "seed", "threads", "title", "um-per-px",
})  # fmt: skip
"""Options that every analysis has; a parameter of such a name gets ``set-`` in front."""

Shape = Literal["switch", "one", "many", "pairs", "json"]


@dataclass(frozen=True)
class Option:
    """One parameter on the command line.

    Attributes
    ----------
    shape
        A switch (``--x``, ``--no-x``), one value, several, pairs ``a=b``, or JSON for what is
        neither.
    """

    field: str
    info: FieldInfo
    shape: Shape
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def flag(self) -> str:
        name = self.field.replace("_", "-")
        return f"--set-{name}" if name in RESERVED else f"--{name}"

    @property
    def hints(self) -> dict[str, Any]:
        return hints(self.info)

    @property
    def required(self) -> bool:
        return self.info.is_required()

    @property
    def help(self) -> str:
        """Title, help, unit, when it applies, and the default as it would be typed."""
        unit = f" [{self.hints['unit']}]" if self.hints.get("unit") else ""
        text = f"{self.info.title or self.field}{unit}. {self.info.description or ''}"
        if only := condition_words(self.info):
            text = f"{text} Only with {only}."
        default = self.info.default
        if default is PydanticUndefined or default in ("", (), None):
            return text
        return f"{text} (default: {self._typed(default)})"

    def words(self, value: Any) -> list[str]:
        """The words of a shell command that give this value."""
        if self.shape == "switch":
            return [self.flag if value else f"--no-{self.flag[2:]}"]
        if value is None:
            return [f"{self.flag}=none"]
        if self.shape == "one":
            text = _text(value)
            joined = text.startswith("-") or not text
            return [f"{self.flag}={text}"] if joined else [self.flag, text]
        if self.shape == "json":
            return [self.flag, json.dumps(value)]
        texts = [_pair(v) if self.shape == "pairs" else _text(v) for v in value]
        if any(t.startswith("-") for t in texts):
            return [f"{self.flag}={t}" for t in texts]
        return [self.flag, *texts]

    def value(self, given: Any) -> Any:
        """What was typed, as the parameter model takes it."""
        if self.optional and given == "none":
            return None
        if self.shape == "pairs":
            return [_split(text, self.flag) for text in given]
        if self.shape == "json":
            try:
                return json.loads(given)
            except ValueError as error:
                raise StmlError("This is not JSON", where=self.flag, do=str(error)) from error
        return given

    def _typed(self, value: Any) -> str:
        if self.shape == "switch":
            return "yes" if value else "no"
        if self.shape == "pairs":
            return "; ".join(_pair(v) for v in value)
        if self.shape == "many":
            return " ".join(map(_text, value))
        return _text(value)


def options_of(model: type[Params]) -> tuple[Option, ...]:
    """One option per field, in the order of the form."""
    return tuple(_option(name, info) for name, info in model.model_fields.items())


def changed_words(params: Params) -> list[str]:
    """The words for what differs from the defaults."""
    words: list[str] = []
    for option in options_of(type(params)):
        value = getattr(params, option.field)
        if option.required or value != option.info.default:
            words += option.words(value)
    return words


def without_effect(params: Params, given: Container[str]) -> list[Option]:
    """Options that were given although they do not apply beside the others."""
    telling = applying(params)
    kind = type(params)
    return [o for o in options_of(kind) if o.field in given and o.field not in telling]


def _option(name: str, info: FieldInfo) -> Option:
    kind, optional = _bare(info.annotation)
    if kind is bool:
        return Option(name, info, "switch")
    if get_origin(kind) is Literal:
        return Option(name, info, "one", tuple(map(str, get_args(kind))), optional)
    if kind in (int, float, str):
        return Option(name, info, "one", (), optional)
    if get_origin(kind) in (tuple, list):
        inner = [a for a in get_args(kind) if a is not ...]
        if all(_is_plain(a) for a in inner):
            choices = get_args(inner[0]) if get_origin(inner[0]) is Literal else ()
            return Option(name, info, "many", tuple(map(str, choices)), optional)
        if len(inner) == 1 and get_args(inner[0]) == (str, str):
            return Option(name, info, "pairs", (), optional)
    return Option(name, info, "json", (), optional)


def _is_plain(kind: Any) -> bool:
    return kind in (int, float, str) or get_origin(kind) is Literal


def _bare(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [a for a in get_args(annotation) if a is not type(None)]
        if len(kinds) == 1:
            return kinds[0], True
    return annotation, False


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _pair(value: Sequence[str]) -> str:
    first, second = value
    if "=" in first or first.startswith(("[", "-")):
        return json.dumps([first, second])
    return f"{first}={second}"


def _split(text: str, flag: str) -> list[str]:
    if text.startswith("["):
        try:
            return [str(v) for v in json.loads(text)]
        except ValueError as error:
            raise StmlError("This is not JSON", where=f"{flag} {text}", do=str(error)) from error
    first, equals, second = text.partition("=")
    if not equals:
        raise StmlError("A pair is written NAME=VALUE", where=f"{flag} {text}")
    return [first, second]
