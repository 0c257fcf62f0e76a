"""What the fields of a form may name in the current section."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.core.params import Source
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section

DEVICES = ("cpu", "cuda", "mps")


def answers_of(
    section: Section, others: Sequence[Section] = (), classes: Sequence[str] | None = None
) -> _Answers:
    """A function from the kind of name to the names there are.

    Parameters
    ----------
    classes
        Of the regions as they are drawn now; without them those that are stored.
    """
    return _Answers(section, tuple(others), classes=classes)


def answers_beside(section: Section, record: RunRecord) -> _Answers:
    """The same for the live panel of a Run, which has columns of its own."""
    return _Answers(section, (), record)


class _Answers:
    def __init__(
        self, section: Section, others: tuple[Section, ...], record: RunRecord | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.section, self.others, self.record = section, others, record
        self.classes = classes

    def columns_of(self, value: str) -> Sequence[str]:
        """Columns of a matrix of the Run; of ``*_z`` what stands for the star in its values."""
        parts = self.record.parts if self.record is not None else ()
        if value.startswith("*"):
            end = value[1:]
            own = [e.name for e in parts if e.kind == "Values" and e.name.endswith(end)]
            return [name.removesuffix(end) for name in own]
        found = [e for e in parts if e.name == value and e.kind == "Matrix"]
        return list(found[0].look.get("columns", ())) if found else []

    def holding(self, value: str) -> Sequence[str]:
        """Runs with a value of that name or kind, newest first."""
        shelf = self.section.shelf
        records = shelf.records if shelf is not None else {}
        return [
            run for run, record in reversed(list(records.items()))
            if any(value in {e.name, e.kind} for e in record.parts)
        ]  # fmt: skip

    def __call__(self, source: Source) -> Sequence[str]:
        section = self.section
        shelf = section.shelf
        records = shelf.records if shelf is not None else {}
        match source:
            case "column":
                return section.columns()
            case "category":
                return [c for c in section.columns() if section.is_category(c)]
            case "obsm":
                own = [k for t in section.tables.values() for k in t.obsm_keys]
                runs = [
                    f"{run}/{entry.name}"
                    for run, record in reversed(list(records.items()))
                    for entry in record.parts
                    if entry.kind == "Matrix" and entry.key != "X"
                ]
                return [*runs, *dict.fromkeys(own)]
            case "obsp":
                own = [k for t in section.tables.values() for k in t.obsp_keys]
                runs = [
                    f"{run}/{entry.name}"
                    for run, record in records.items()
                    for entry in record.parts
                    if entry.kind == "Graph"
                ]
                return [*dict.fromkeys(own), *runs]
            case "table":
                return list(section.tables)
            case "run":
                return list(reversed(list(records)))
            case "region_class":
                if self.classes is not None:
                    return self.classes
                regions = shelf.regions() if shelf is not None else ()
                return list(dict.fromkeys(r.kind for r in regions))
            case "image":
                return list(section.images)
            case "section":
                return [s.name for s in (section, *self.others)]
            case "device":
                return DEVICES
            case _:
                return []
