"""A Run in words for the methods section, as a shell command and as a Python script."""

from __future__ import annotations

import json
import pprint
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import ScaleSource
from napari_stml.core.params import applies, applying
from napari_stml.runs.desk import analyses
from napari_stml.runs.options import changed_words, options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.core.params import Params
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section

NAMED = {
    "napari-stml": "napari-stml", "numpy": "NumPy", "scipy": "SciPy", "scanpy": "scanpy",
    "squidpy": "squidpy", "scikit-learn": "scikit-learn", "torch": "PyTorch",
    "spatialdata": "SpatialData", "anndata": "anndata",
}  # fmt: skip


def describe(record: RunRecord) -> str:
    """One paragraph: what was computed on what, with which values, versions and seed."""
    kind = analyses().get(record.analysis)
    title = kind.title if kind is not None else record.analysis
    named = f", “{record.title}”" if record.title not in ("", title) else ""
    said = [f"{title} ({record.analysis}{named}) was computed on {_on(record)}."]
    if kind is not None:
        said += _values(kind, record)
    if record.live:
        live = record.live
        if kind is not None:
            live = applying(kind.LiveParams.model_validate(record.live), record.params)
        values = ", ".join(f"{k.replace('_', ' ')} {_word(v)}" for k, v in live.items())
        said.append(f"The kept position of the live view was {values}.")
    if record.parents:
        said.append(f"It used the values of {_and(record.parents)}.")
    if record.notes:
        said.append("Outcome: " + "; ".join(n.rstrip(".") for n in record.notes) + ".")
    programs = [f"{NAMED[p]} {v}" for p, v in record.versions.items() if p in NAMED]
    threads = f"{record.threads} thread{'s' if record.threads > 1 else ''}"
    where = "the CPU" if record.device == "cpu" else record.device
    beside = f" (beside it {_and(programs[1:])})" if programs[1:] else ""
    said.append(
        f"It was computed with {programs[0] if programs else 'napari-stml'}{beside} under Python "
        f"{record.python} on {where} with {threads} and seed {record.seed}, on "
        f"{record.started:%Y-%m-%d}."
    )
    return " ".join(said)


def as_command(record: RunRecord, section: Section) -> str:
    """A line for a shell that repeats the Run on this section."""
    _one(record)
    params = _params(record)
    words = ["napari-stml", "run", record.analysis, _path(section), *_opening(section)]
    words += changed_words(params)
    for name, value in record.live.items():
        words += ["--live", f"{name}={_literal(value)}"]
    if _is_part(record):
        words += ["--scope-of", record.id]
    if record.seed:
        words += ["--seed", str(record.seed)]
    words += ["--threads", str(record.threads)]
    if record.device != "cpu":
        words += ["--device", record.device]
    kind = analyses()[record.analysis]
    if record.title not in ("", kind.title):
        words += ["--title", record.title]
    return shlex.join(words)


def as_script(record: RunRecord, section: Section) -> str:
    """A Python script that repeats the Run on this section."""
    _one(record)
    path = section.path
    opening = [repr([_place(p) for p in path] if isinstance(path, tuple) else _place(path))]
    scale = section.um_per_px
    if scale is not None and scale.source is ScaleSource.USER:
        opening.append(f"um_per_px={(scale.x, scale.y)!r}")
    opening += [f"{name}={value!r}" for name, value in section.choices.items()]
    part = _is_part(record)
    settings = [f"seed={record.seed}", f"threads={record.threads}"]
    if record.device != "cpu":
        settings.append(f"device={record.device!r}")
    if record.live:
        settings.append(f"live=kind.LiveParams.model_validate({record.live!r})")
    if part:
        settings.append("scopes=(scope,)")
    if record.title:
        settings.append(f"title={record.title!r}")
    values = pprint.pformat(record.params, sort_dicts=False, width=92)
    lines = [
        f'"""Repeats the Run {record.id} of napari-stml '
        f'{record.versions.get("napari-stml", "")}."""',
        "",
        "from napari_stml import Section",
        "from napari_stml.runs.desk import Wish, analysis_class, run_now",
        *(["from napari_stml.runs.scopes import scope_again"] if part else []),
        "",
        f"kind = analysis_class({record.analysis!r})",
        f"values = {values}",
        "params = kind.Params.model_validate(values)",
        f"with Section.open({', '.join(opening)}) as section:",
        *([f"    scope = scope_again(section, {record.id!r})"] if part else []),
        f"    wish = Wish({record.analysis!r}, params, (section,), {', '.join(settings)})",
        "    for record in run_now(wish):",
        "        print(record.id, *record.notes, sep='\\n')",
        "",
    ]
    return "\n".join(lines)


def _one(record: RunRecord) -> None:
    if len(record.sections) > 1:
        raise StmlError(
            "This Run takes several sections", where=record.id, do="repeat it with a recipe"
        )


def _params(record: RunRecord) -> Params:
    params: Params = analyses()[record.analysis].Params.model_validate(record.params)
    return params


def _is_part(record: RunRecord) -> bool:
    return bool(record.scope) and record.scope.get("kind") != "section"


def _path(section: Section) -> str:
    if isinstance(section.path, tuple):
        raise StmlError(
            "A section of several files cannot be named in one command", where=section.name,
            do="use the Python script",
        )  # fmt: skip
    return _place(section.path)


def _place(path: Path | str) -> str:
    """An address as it is, a path from the root, so that it holds in any folder."""
    return str(path) if "://" in str(path) else str(Path(path).absolute())


def _opening(section: Section) -> list[str]:
    words: list[str] = []
    scale = section.um_per_px
    if scale is not None and scale.source is ScaleSource.USER:
        text = repr(scale.x) if scale.x == scale.y else f"{scale.x!r},{scale.y!r}"
        words += ["--um-per-px", text]
    for name, value in section.choices.items():
        words += ["--choose", f"{name}={_literal(value)}"]
    return words


def _literal(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _on(record: RunRecord) -> str:
    names = _and(record.sections) or "the section"
    scope = record.scope or {"kind": "section"}
    if scope["kind"] == "section":
        return f"the whole of {names}"
    members = scope.get("members")
    count = f"{members:,} observations of " if members is not None else ""
    return f"{count}{names} ({scope['title']})"


def _values(kind: Any, record: RunRecord) -> list[str]:
    """Common parameters in words; rare ones only where they differ from the default."""
    said, rare = [], []
    for option in options_of(kind.Params):
        value = record.params.get(option.field)
        if not applies(option.info, record.params):
            continue
        if value in ("", None, [], ()):
            continue
        unit = f" {option.hints['unit']}" if option.hints.get("unit") else ""
        text = f"{(option.info.title or option.field)}: {_word(value)}{unit}"
        if not option.hints.get("rare"):
            said.append(text)
        elif _plain(option.info.default) != value:
            rare.append(text)
    answer = [f"Parameters were {'; '.join(said)}."] if said else []
    return [*answer, f"Further: {'; '.join(rare)}."] if rare else answer


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(
            " = ".join(map(str, v)) if isinstance(v, list | tuple) else _word(v) for v in value
        )
    return str(value)


def _and(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
