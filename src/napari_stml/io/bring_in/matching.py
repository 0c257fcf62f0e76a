"""Barcodes of a file and of a section, joined although they are written differently."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.io.bring_in.report import EXAMPLES, BringInReport, BroughtIn
from napari_stml.io.tables.names import MISSING_NAMES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

GOOD = 0.9
"""Share of the smaller side that must match for plain barcodes to be taken at once."""
SAMPLE = 2_000

_LAST_NUMBER = re.compile(r"[-._]\d+$")
_NUMBERS = re.compile(r"([-._]\d+)+$")
_FIRST_PREFIX = re.compile(r"^.*?(?=s_\d+um_)|^.*?[_:#|/](?=.)")
_PREFIXES = re.compile(r"^.*?(?=s_\d+um_)|^.*[_:#|/](?=.)")

Treat = Callable[[str], str]


def _treatments() -> Iterator[tuple[str, Treat]]:
    """From the least to the most rewriting, with words for the report."""
    ends: tuple[tuple[str, re.Pattern[str] | None], ...] = (
        ("", None),
        ("last number ('-1')", _LAST_NUMBER),
        ("numbers at the end ('-1_2')", _NUMBERS),
    )
    starts: tuple[tuple[str, re.Pattern[str] | None], ...] = (
        ("", None),
        ("sample prefix", _FIRST_PREFIX),
        ("sample prefixes", _PREFIXES),
    )
    for (start, prefix), (end, number) in product(starts, ends):
        words = " and ".join(w for w in (start, end) if w)
        yield f"without {words}", _cutter(prefix, number)


def _cutter(prefix: re.Pattern[str] | None, number: re.Pattern[str] | None) -> Treat:
    def cut(name: str) -> str:
        if number is not None:
            name = number.sub("", name)
        return name if prefix is None else prefix.sub("", name, count=1)

    return cut


TREATMENTS = tuple(_treatments())


_ORDER = sorted(product(range(len(TREATMENTS)), repeat=2), key=lambda p: (sum(p), p))


class SectionNames:
    """Names of a section's observations and, once asked, what remains of them when rewritten."""

    def __init__(self, names: ArrayLike) -> None:
        self.names: NDArray[np.object_] = np.asarray(names, dtype=object)
        self._keys: dict[int, list[str]] = {}
        self._known: dict[int, frozenset[str]] = {}

    def keys(self, treatment: int) -> list[str]:
        if treatment not in self._keys:
            cut = TREATMENTS[treatment][1]
            self._keys[treatment] = [cut(n) for n in self.names] if treatment else [*self.names]
        return self._keys[treatment]

    def known(self, treatment: int) -> frozenset[str]:
        """Keys that stand for one observation only."""
        if treatment not in self._known:
            import pandas as pd

            keys = pd.Index(self.keys(treatment), dtype=object)
            self._known[treatment] = frozenset(keys[~keys.duplicated(keep=False)]) - {""}
        return self._known[treatment]


@dataclass(frozen=True)
class Treatment:
    """How barcodes of the file and of the section are rewritten before they are compared."""

    in_file: int
    in_section: int

    def of_file(self, names: Iterable[str]) -> list[str]:
        return [TREATMENTS[self.in_file][1](n) for n in names]

    @property
    def words(self) -> str:
        if not (self.in_file or self.in_section):
            return "as they are"
        parts = [
            f"{TREATMENTS[i][0]} in the {side}"
            for i, side in ((self.in_file, "file"), (self.in_section, "section"))
            if i
        ]
        return " and ".join(parts)


def cleaned(values: Iterable[object]) -> NDArray[np.object_]:
    """Barcodes as text without blanks and quotes; ids that a spreadsheet made floats, whole."""
    import pandas as pd

    text = [
        "" if v is None or v is pd.NA or v != v else str(v).strip().strip("\"'") for v in values
    ]
    names = np.array(text, dtype=object)
    filled = [t for t in text if t]
    if filled and all(t.endswith(".0") and t[:-2].isdigit() for t in filled):
        names = np.array([t[:-2] for t in text], dtype=object)
    return names


def best_treatment(file: NDArray[np.object_], section: SectionNames) -> Treatment | None:
    """The least rewriting under which most barcodes agree; None where none agree."""
    sample = file[:: max(1, len(file) // SAMPLE)]
    enough = GOOD * min(1.0, len(section.names) / max(1, len(file))) * len(sample)
    rewritten: dict[int, set[str]] = {}
    best, most = None, 0
    for in_file, in_section in _ORDER:
        if in_file not in rewritten:
            rewritten[in_file] = set(Treatment(in_file, 0).of_file(sample))
        known = section.known(in_section)
        found = sum(key in known for key in rewritten[in_file])
        if found > most * 1.05:
            best, most = Treatment(in_file, in_section), found
        if most >= enough > 0:
            break
    return best


def join(
    values: pd.DataFrame,
    barcodes: Iterable[object],
    section: SectionNames,
    *,
    source: str,
    barcode_column: str,
    sample: str | None = None,
    notes: tuple[str, ...] = (),
) -> BroughtIn:
    """Put the rows of a file at the observations of a section.

    Parameters
    ----------
    values
        One row per row of the file.
    sample
        Which of several sample prefixes (or endings) in the file means this section.
    """
    import pandas as pd

    written = cleaned(barcodes)
    real = ~pd.Index(written).isin(MISSING_NAMES)
    if not real.all():
        notes = (*notes, f"{int((~real).sum()):,} rows of the file have no barcode.")
    values, written = values.loc[real].reset_index(drop=True), written[real]
    treatment = best_treatment(written, section)
    if treatment is None:
        raise StmlError(
            f"No barcode of the file belongs to this section; the file has "
            f"{', '.join(written[:3]) or 'none'}, the section {', '.join(section.names[:3])}",
            where=source,
            do="check that the file was made for this section",
        )
    keys = pd.Index(treatment.of_file(written), dtype=object)
    ours = pd.Index(section.keys(treatment.in_section), dtype=object)
    ambiguous = ours.duplicated(keep=False)
    wanted = keys.isin(ours[~ambiguous])
    keep = np.ones(len(written), dtype=bool)
    if treatment.in_file or sample is not None:
        keep = _of_sample(written, keys, wanted, sample, source)
    duplicates = _contradictions(values, keys, keep & wanted)
    firsts = keep & wanted & ~keys.isin(duplicates)
    rows = np.flatnonzero(firsts)[~keys[firsts].duplicated()]
    places = pd.Index(keys[rows]).get_indexer(ours)
    places[ambiguous] = -1
    at = np.where(places < 0, -1, rows[places] if len(rows) else -1)
    joined = values.reindex(pd.Index(at))  # row -1 does not exist, hence is missing
    joined.index = pd.Index(section.names, dtype=object)
    lost, bare = written[~(keep & wanted)], section.names[at < 0]
    report = BringInReport(
        source=source,
        barcode_column=barcode_column,
        treatment=treatment.words,
        matched=int((at >= 0).sum()),
        unmatched_in_file=len(lost),
        unmatched_in_section=len(bare),
        duplicates=len(duplicates),
        examples_in_file=tuple(lost[:EXAMPLES]),
        examples_in_section=tuple(bare[:EXAMPLES]),
        notes=notes,
    )
    return BroughtIn(joined, report)


def _of_sample(
    written: NDArray[np.object_],
    keys: pd.Index,
    wanted: NDArray[np.bool_],
    sample: str | None,
    source: str,
) -> NDArray[np.bool_]:
    """Rows of this section where the file holds several samples that share barcodes."""
    cut = np.array([w.replace(k, "", 1) for w, k in zip(written, keys, strict=True)], dtype=object)
    names = np.array([c.strip("-._:#|/") for c in cut], dtype=object)
    if sample is not None:
        chosen: NDArray[np.bool_] = names == sample.strip("-._:#|/")
        if not chosen.any():
            raise StmlError(
                f"No barcode of the file belongs to the sample '{sample}'",
                where=source,
                do=f"choose one of {', '.join(sorted(set(names))[:10])}",
            )
        return chosen
    clash = wanted & keys.duplicated(keep=False)
    several = sorted(set(names[clash]))
    if len(several) > 1:
        raise StmlError(
            f"The file holds several samples with the same barcodes ({', '.join(several[:10])})",
            where=source,
            do="say which of them is this section (sample)",
        )
    return np.ones(len(written), dtype=bool)


def _contradictions(values: pd.DataFrame, keys: pd.Index, rows: NDArray[np.bool_]) -> set[str]:
    """Barcodes whose rows differ; rows that only repeat each other do no harm."""
    import pandas as pd

    twice = rows & keys.where(rows, None).duplicated(keep=False)
    if not twice.any():
        return set()
    content = pd.util.hash_pandas_object(values.loc[twice], index=False).to_numpy()
    counted = pd.Series(content).groupby(np.asarray(keys[twice])).nunique()
    return set(counted.index[counted > 1])
