"""Parameters given as words: checked, and a wrong name answered with the nearest."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from napari_stml.core.errors import StmlError
from napari_stml.core.params import Params
from napari_stml.runs.desk import analyses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

P = TypeVar("P", bound=Params)


def load_modules(modules: Iterable[str]) -> None:
    """Import modules that register analyses of their own."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise StmlError(
                f"The module '{module}' cannot be imported: {error}",
                do="install it, or put its folder on PYTHONPATH",
            ) from error


def named_analysis(name: str, where: object = "") -> Any:
    """The class of an analysis; an unknown name is answered with the nearest."""
    known = analyses()
    if name not in known:
        raise StmlError(
            f"There is no analysis '{name}'", where=where,
            do=did_you_mean(name, known) or f"choose one of {', '.join(sorted(known))}",
        )  # fmt: skip
    return known[name]


def read_params(model: type[P], raw: Mapping[str, Any], where: object = "") -> P:
    """Validate values; the error names the parameter as the form shows it."""
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        raise said(error, model, where) from error


def said(error: ValidationError, model: type[Params], where: object = "") -> StmlError:
    """The first problem in the user's words."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        known = list(model.model_fields)
        return StmlError(
            f"There is no parameter '{name}'", where=where,
            do=did_you_mean(name, known) or f"choose one of {', '.join(known) or '(none)'}",
        )  # fmt: skip
    if first["type"] == "missing":
        return StmlError(f"The parameter '{name}' is missing", where=where, do=_help(model, name))
    return StmlError(
        f"'{name}' cannot be {first['input']!r}: {plain(first['msg'])}",
        where=where, do=_help(model, name),
    )  # fmt: skip


def plain(message: str) -> str:
    """A pydantic message without its technical prefix."""
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which known names are near; "" when none is."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.55)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _help(model: type[Params], name: str) -> str:
    info = model.model_fields.get(name)
    return "" if info is None else f"{info.title or name}: {info.description or ''}"
