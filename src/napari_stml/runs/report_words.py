"""What the report says of a Run in the program's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_stml.core.run_record import RunRecord
    from napari_stml.figures.report import Words


def in_words() -> Words:
    """Runs as the program says them: methods paragraph, titles and units of parameters."""
    from napari_stml.figures.report import Words
    from napari_stml.runs.words import describe

    return Words(describe, parameters)


def parameters(record: RunRecord) -> list[tuple[str, str]]:
    """Titles and values of a Run's parameters; names as stored for an unknown analysis."""
    from napari_stml.runs.desk import analyses
    from napari_stml.runs.options import options_of

    kind = analyses().get(record.analysis)
    options = {o.field: o for o in options_of(kind.Params)} if kind is not None else {}
    rows = []
    for name, value in record.params.items():
        option = options.get(name)
        title = (option.info.title if option is not None else None) or name
        unit = option.hints.get("unit", "") if option is not None else ""
        rows.append((title, f"{_word(value)} {unit}".strip()))
    return rows


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value)) or "none"
    return "none" if value is None or value == "" else str(value)
