"""A section: slide, observations and tables, opened from any format and joined by name."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_stml.core.errors import MissingScaleError, StmlError
from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.alignment import with_kept_alignment
from napari_stml.io.keeping import Keeping
from napari_stml.io.readers import normalised, read_contents
from napari_stml.io.readers.pitch import scale_disagreement
from napari_stml.io.shelf import Shelf
from napari_stml.io.tables.names import align, at_observations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.contents import Contents, Element, Observations, PlacedSlide
    from napari_stml.io.readers import Source
    from napari_stml.io.store import Kept
    from napari_stml.io.tables.base import Table

Scale = float | tuple[float, float] | UmPerPx


class Section:
    """One section with its roles resolved; nothing is loaded before it is asked.

    Made by `Section.open`. Values come in the order of the observations; where a table has no
    row for an observation they are missing (NaN, no category), never 0.

    Attributes
    ----------
    path
        What it was opened from.
    contents
        What the reader found, with the choices taken and the notes for the user.
    """

    def __init__(self, path: Source, contents: Contents, choices: Mapping[str, Any]) -> None:
        self.path = path
        self.contents = contents
        self._choices = dict(choices)
        self._rows: dict[str, NDArray[np.intp]] = {}
        self._genes: dict[str, frozenset[str]] = {}
        self._words: tuple[tuple[str, str], ...] | None = None
        self._keeping = Keeping(path[0] if isinstance(path, tuple) else path)
        self._shelf: Shelf | None = None

    @classmethod
    def open(
        cls,
        path: Path | str | Sequence[Path | str],
        *,
        um_per_px: Scale | None = None,
        **choices: Any,
    ) -> Section:
        """Open a folder, a file, a URL or several tables of the same spots.

        Parameters
        ----------
        path
            What docs/opening.md lists.
        um_per_px
            Micrometres per pixel of the reference image; overrules what the files say.
        **choices
            Answers to the format's open questions ("section", "positions", ...); those not
            given take a default that ``contents.chosen`` states.

        Raises
        ------
        CannotOpenError
            When nothing can be opened, or a choice is not among the possible ones.
        """
        section = cls(normalised(path), read_contents(path, **choices), choices)
        section = with_kept_alignment(section)
        return section if um_per_px is None else section.with_um_per_px(um_per_px)

    def with_um_per_px(self, um_per_px: Scale) -> Section:
        """Give the same section with another scale; files stay open and are shared."""
        value = _scale(um_per_px)
        notes = self.contents.notes
        if self.um_per_px is not None and self.um_per_px.source is not ScaleSource.USER:
            notes += scale_disagreement(value, self.um_per_px)
        if not value.plausible:
            notes += (f"{value.mean:.4g} um per pixel is unusual for a slide",)
        contents = replace(self.contents, um_per_px=value, um_per_px_guess=None, notes=notes)
        return self.with_contents(contents)

    def with_contents(self, contents: Contents) -> Section:
        """Give the same section seen otherwise; files and store stay open and are shared."""
        section = Section(self.path, contents, self._choices)
        section._keeping, section._shelf = self._keeping, self._shelf
        return section

    @property
    def name(self) -> str:
        return self.contents.name

    @property
    def format(self) -> str:
        return self.contents.format

    @property
    def images(self) -> Mapping[str, PlacedSlide]:
        """Slides and masks; the first one is the reference image."""
        return self.contents.images

    @property
    def observations(self) -> Observations | None:
        return self.contents.observations

    @property
    def tables(self) -> Mapping[str, Table]:
        """By modality; the first one is shown first."""
        return self.contents.tables

    @property
    def elements(self) -> tuple[Element, ...]:
        return self.contents.elements

    @property
    def um_per_px(self) -> UmPerPx | None:
        return self.contents.um_per_px

    @property
    def um_per_px_guess(self) -> UmPerPx | None:
        return self.contents.um_per_px_guess

    @property
    def notes(self) -> tuple[str, ...]:
        return self.contents.notes

    def require_um_per_px(self) -> UmPerPx:
        """Give the scale, or raise `MissingScaleError`."""
        if self.um_per_px is None:
            raise MissingScaleError(self.name)
        return self.um_per_px

    def columns(self, table: str | None = None) -> tuple[str, ...]:
        """List the obs columns of one table or of all, each name once, then the Runs' values."""
        own = dict.fromkeys(c for t in self._searched(table) for c in t.columns)
        return (*own, *self.run_values()) if table is None else tuple(own)

    def is_category(self, name: str) -> bool:
        """Whether a column (or a Run's value) holds categories rather than numbers."""
        if self.shelf is not None and name in self.run_values():
            run, _, value = name.partition("/")
            return any(e.name == value and e.kind == "Labels" for e in self.shelf.entries(run))
        return any(t.is_category(name) for t in self.tables.values() if name in t.columns)

    def run_values(self) -> tuple[str, ...]:
        """List the values per observation of stored Runs as ``<run id>/<name>``, newest first."""
        return self.shelf.columns() if self.shelf is not None else ()

    def values(
        self, name: str, *, table: str | None = None, layer: str | None = None
    ) -> pd.Series[Any]:
        """Read an obs column or a gene at the observations.

        A column of any table comes before a gene of the same name, unless a layer is named.
        ``<run id>/<name>`` is a value of a stored Run.
        """
        import pandas as pd

        if self.shelf is not None and name.partition("/")[0] in self.shelf.records:
            return self.shelf.series(name, pd.Index(self._names()))
        if layer is None:
            for candidate in self._searched(table):
                if name in candidate.columns:
                    return self._column(candidate, name)
        index = pd.Index(self._names())
        numbers = pd.Series(self.gene(name, table=table, layer=layer), index=index, name=name)
        owner = next(t for t in self._searched(table) if name in self._genes_of(t, layer))
        numbers.attrs["unit"] = f"{owner.name} {layer or ''}".strip()  # one scale fits its genes
        return numbers

    def column(self, name: str, *, table: str | None = None) -> pd.Series[Any]:
        """Read an obs column at the observations; text is categorical."""
        for candidate in self._searched(table):
            if name in candidate.columns:
                return self._column(candidate, name)
        raise self._unknown("column", name, self.columns(table))

    def gene(
        self, name: str, *, table: str | None = None, layer: str | None = None
    ) -> NDArray[np.float32]:
        """Read one variable at the observations, without loading the matrix."""
        for candidate in self._searched(table):
            if name in self._genes_of(candidate, layer):
                rows = self.rows_of(candidate)
                values = at_observations(candidate.gene(name, layer), rows)
                return np.asarray(values, dtype=np.float32)
        known = [str(v) for t in self._searched(table) for v in t.var_names]
        raise self._unknown("column or gene", name, (*self.columns(table), *known))

    def obsm(self, key: str, *, table: str | None = None) -> NDArray[Any]:
        """Read an embedding (n, k) at the observations."""
        for candidate in self._searched(table):
            if key in candidate.obsm_keys:
                return at_observations(candidate.obsm(key), self.rows_of(candidate))
        known = tuple(k for t in self._searched(table) for k in t.obsm_keys)
        raise self._unknown("embedding", key, known)

    def rows_of(self, table: Table | str) -> NDArray[np.intp]:
        """Give the table's row of every observation, -1 where it has none."""
        found = self._table(table) if isinstance(table, str) else table
        key = _identity(found)
        if key not in self._rows:
            self._rows[key], _ = align(found, self._names())
        return self._rows[key]

    def search(self, text: str, limit: int = 20) -> list[str]:
        """Complete a name: columns and genes that begin with the text, then those that hold it.

        Upper and lower case do not matter.
        """
        if self._words is None:
            names = (*self.columns(), *(str(v) for t in self.tables.values() for v in t.var_names))
            self._words = tuple((name.casefold(), name) for name in dict.fromkeys(names))
        wanted = text.strip().casefold()
        begins = [name for low, name in self._words if low.startswith(wanted)]
        begins.sort(key=len)
        if len(begins) < limit:
            begins += [n for low, n in self._words if wanted in low and not low.startswith(wanted)]
        return begins[:limit]

    @property
    def choices(self) -> Mapping[str, Any]:
        """The answers it was opened with."""
        return self._choices

    @property
    def kept(self) -> Kept:
        """The store that keeps Runs and strokes: the section's own, or one kept locally.

        Opened for writing with the first question, until `close`.
        """
        return self._keeping.kept

    def keep_with(self, other: Section) -> None:
        """Share the store with another section of the same place; the last one closes it."""
        if self._keeping is not other._keeping and self._keeping.place == other._keeping.place:
            self._keeping.leave()
            self._keeping = other._keeping.join()
            self.forget_runs()

    @property
    def shelf(self) -> Shelf | None:
        """The stored Runs, read without opening the store for writing; None without any."""
        if self._shelf is None:
            store = self._keeping.path
            siblings = self.contents.choices.get("section", ())
            self._shelf = Shelf(store, self.name, siblings) if store is not None else None
        return self._shelf

    def forget_runs(self) -> None:
        """Read the Runs' records anew at the next question; some were added or removed."""
        self._shelf = None
        self._words = None

    def close(self) -> None:
        """Close all files; a later read opens them again."""
        self._keeping.leave()
        self._keeping = Keeping(self._keeping.place)
        for placed in self.images.values():
            placed.slide.close()
        for table in self.tables.values():
            table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as path and choices: another process opens the files itself."""
        return _reopened, (self.path, self._choices, self.um_per_px)

    def __repr__(self) -> str:
        observed = self.observations
        what = f"{len(observed)} {observed.kind}" if observed is not None else "no observations"
        scale = f"{self.um_per_px.mean:.4g} um/px" if self.um_per_px else "um/px unknown"
        return f"<Section {self.name}: {self.format}, {what}, {', '.join(self.tables)}; {scale}>"

    def _names(self) -> NDArray[np.object_]:
        if self.observations is None:
            raise StmlError("This section has no observations", where=self.name)
        return self.observations.names

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise self._unknown("table", name, tuple(self.tables))
        return self.tables[name]

    def _searched(self, table: str | None) -> list[Table]:
        return list(self.tables.values()) if table is None else [self._table(table)]

    def _genes_of(self, table: Table, layer: str | None) -> frozenset[str]:
        """Name the table's variables; those of raw too, which may be more, when it is asked for."""
        raw = layer == "raw"
        key = f"{_identity(table)}\n{raw}"
        if key not in self._genes:
            more = getattr(table, "raw_names", ()) if raw else ()
            self._genes[key] = frozenset(str(v) for v in (*table.var_names, *more))
        return self._genes[key]

    def _column(self, table: Table, name: str) -> pd.Series[Any]:
        import pandas as pd

        rows = self.rows_of(table)
        index = pd.Index(self._names())
        values = table.column(name)
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes = np.where(rows < 0, -1, np.asarray(values.cat.codes)[rows])
            taken: Any = pd.Categorical.from_codes(codes, dtype=values.dtype)
        elif isinstance(values.dtype, pd.api.extensions.ExtensionDtype):
            taken = at_observations(values.to_numpy(dtype=np.float64, na_value=np.nan), rows)
        else:
            taken = at_observations(values.to_numpy(), rows)
        return pd.Series(taken, index=index, name=name)

    def _unknown(self, what: str, name: str, known: Sequence[str]) -> StmlError:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        return StmlError(
            f"There is no {what} '{name}'",
            where=self.name,
            do=f"did you mean {', '.join(close)}?" if close else "choose another name",
        )


def _identity(table: Table) -> str:
    return f"{table.source}\n{table.name}"


def _scale(value: Scale) -> UmPerPx:
    if isinstance(value, UmPerPx):
        return value
    x, y = value if isinstance(value, tuple) else (value, value)
    try:
        return UmPerPx(float(x), float(y), ScaleSource.USER)
    except (TypeError, ValueError) as error:
        raise StmlError(
            "um_per_px must be a positive number", where=str(value), do="for example 0.5"
        ) from error


def _reopened(path: Source, choices: dict[str, Any], um_per_px: UmPerPx | None) -> Section:
    by_user = um_per_px is not None and um_per_px.source is ScaleSource.USER
    return Section.open(path, um_per_px=um_per_px if by_user else None, **choices)
