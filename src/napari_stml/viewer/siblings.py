"""What a Run says of an observation beside the value that is shown: z, p, label."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import pandas as pd

    from napari_stml.io.section import Section

MOST = 4


class Siblings:
    """The other values of the Run whose value is shown, read when first pointed at."""

    def __init__(self, section: Section) -> None:
        self._section = section
        self._of = ""
        self._columns: dict[str, pd.Series] = {}

    def words(self, shown: str, i: int) -> str:
        """Name and value of each, in words; nothing where no value of a Run is shown."""
        if shown != self._of:
            self._of, self._columns = shown, self._read(shown)
        found = []
        for name, column in self._columns.items():
            value = column.iloc[i]
            missing = value is None or value != value
            text = "no value" if missing else f"{value:.4g}" if column.dtype.kind == "f" else value
            found.append(f"{name}: {text}")
        return "   ".join(found)

    def _read(self, shown: str) -> dict[str, pd.Series]:
        run, _, own = shown.partition("/")
        shelf = self._section.shelf
        if not own or shelf is None or run not in shelf.records:
            return {}
        names = [e.name for e in shelf.entries(run) if e.kind in {"Values", "Labels"}]
        columns = {}
        for name in [n for n in names if n != own][:MOST]:
            try:
                columns[name] = self._section.values(f"{run}/{name}")
            except StmlError as error:
                logging.getLogger(__name__).info("not beside %s: %s", shown, error)
        return columns
