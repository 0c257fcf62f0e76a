"""A HEST-1k folder: samples of many organs and patients, listed in one table, one opened at a time.

The layout is that of the data set: ``HEST_v*.csv``, ``st/ID.h5ad``, and ``wsis/ID.tif``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.core.geometry import ScaleSource, UmPerPx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_stml.io.contents import Contents
    from napari_stml.io.readers import Source

COLUMNS = {"organ": "organ", "disease": "disease_state", "technology": "st_technology",
           "patient": "patient", "species": "species"}  # fmt: skip
SAME = {"colorectal": "bowel"}
SLIDES = (".tif", ".tiff", ".svs", ".ndpi")


@dataclass(frozen=True)
class Sample:
    """One line of the table, with what lies of it on the disk."""

    name: str
    row: Mapping[str, str]
    table: Path
    slide: Path | None

    @property
    def patient(self) -> str:
        """A sample without one is a patient of its own."""
        return self.row.get("patient", "").strip() or self.name

    @property
    def um_per_px(self) -> float | None:
        for column in ("pixel_size_um_estimated", "pixel_size_um_embedded"):
            try:
                return float(self.row.get(column, "")) or None
            except ValueError:
                continue
        return None

    def fits(self, asked: Mapping[str, str]) -> bool:
        return all(
            _folded(self.patient if k == "patient" else self.row.get(COLUMNS[k], "")) == _folded(v)
            for k, v in asked.items()
        )


def samples(folder: Path) -> tuple[Sample, ...]:
    """Samples of the table that are on the disk, in its order."""
    table = _table_of(folder)
    if table is None:
        raise CannotOpenError("There is no table HEST_*.csv here", where=folder)
    with table.open(newline="", encoding="utf-8-sig") as text:
        rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(text)]
    if rows and "id" not in rows[0]:
        raise CannotOpenError(
            "This table has no column 'id'", where=table, do="use the data set's own table"
        )
    return tuple(
        Sample(row["id"], row, file, _slide_of(folder, row["id"]))
        for row in rows
        if (file := folder / "st" / f"{row['id']}.h5ad").is_file()
    )


def chosen(found: Sequence[Sample], asked: Mapping[str, str], where: Path) -> tuple[Sample, ...]:
    """Samples that fit all filters; without any the error lists what there is."""
    kept = tuple(s for s in found if s.fits(asked))
    if kept:
        return kept
    said = ", ".join(f"{k} {v}" for k, v in asked.items())
    there = "; ".join(
        f"{k}: {', '.join(_values(found, k)[:12])}" for k in asked
    ) or "no sample of the table is on the disk"  # fmt: skip
    raise CannotOpenError(f"No sample with {said or 'expression'}", where=where, do=there)


class Hest:
    """Reads a HEST-1k folder, or one ``st/ID.h5ad`` of it with its slide."""

    format = "HEST-1k"

    def claims(self, path: Source) -> bool:
        if not isinstance(path, Path):
            return False
        if path.is_dir():
            return (path / "st").is_dir() and _table_of(path) is not None
        return path.suffix.lower() == ".h5ad" and path.parent.name == "st" and (
            _table_of(path.parent.parent) is not None
        )  # fmt: skip

    def read(
        self,
        path: Source,
        *,
        section: str | None = None,
        organ: str | None = None,
        disease: str | None = None,
        technology: str | None = None,
        patient: str | None = None,
        species: str | None = None,
        image: str | None = None,
    ) -> Contents:
        """Read one sample lazily.

        Parameters
        ----------
        section
            The sample's id; by default the first that fits the filters.
        organ, disease, technology, patient, species
            Filters by the table's columns, in any case; "Colorectal" is read as "Bowel".
        image
            "none", or the name or path of another image; by default the sample's slide.
        """
        from napari_stml.io.readers.anndata_section import Asked, section_of
        from napari_stml.io.readers.modality import modality_of
        from napari_stml.io.tables.disk import DiskTable

        assert isinstance(path, Path)
        folder = path if path.is_dir() else path.parent.parent
        every = samples(folder)
        if path.is_dir():
            filters = {"organ": organ, "disease": disease, "technology": technology,
                       "patient": patient, "species": species}  # fmt: skip
            fitting = chosen(every, {k: v for k, v in filters.items() if v}, folder)
        else:
            section = path.stem
            fitting = tuple(s for s in every if s.name == section)
        sample = next((s for s in fitting if section in (None, s.name)), None)
        if sample is None:
            raise StmlError(
                f"There is no sample '{section}' among those", where=folder,
                do="choose section from: " + ", ".join(s.name for s in fitting[:20]),
            )  # fmt: skip
        table = DiskTable(sample.table)
        table.name = modality_of(table, "", "RNA")
        asked = image or (str(sample.slide) if sample.slide else None)
        contents = section_of(
            table, {table.name: table}, Asked(image=asked), name=_name(sample),
            format_name=self.format,
        )  # fmt: skip
        return _described(contents, sample, every, fitting)


def _described(
    contents: Contents, sample: Sample, every: Sequence[Sample], fitting: Sequence[Sample]
) -> Contents:
    filters = {k: _values(every, k) for k in COLUMNS}
    said = ", ".join(f"{k} {v}" for k in COLUMNS if (v := sample.row.get(COLUMNS[k], "")))
    notes = [f"sample {sample.name} of {len(every)} ({len(fitting)} fit): {said}"]
    guess = contents.um_per_px_guess
    if sample.um_per_px and contents.um_per_px is None:
        guess = UmPerPx.square(sample.um_per_px, ScaleSource.READER)
        notes.append("um per pixel is the data set's estimate")
    if sample.slide is None:
        notes.append(f"there is no slide wsis/{sample.name}.tif")
    return replace(
        contents,
        um_per_px=contents.um_per_px or guess,
        um_per_px_guess=None if guess else contents.um_per_px_guess,
        choices={
            **contents.choices,
            "section": tuple(s.name for s in fitting),
            **{k: v for k, v in filters.items() if v},
        },
        chosen={**contents.chosen, "section": sample.name},
        notes=(*contents.notes, *notes),
    )


def _name(sample: Sample) -> str:
    """Patient first: sections of one patient are left out together by the letters they share."""
    return f"{sample.patient}-{sample.name}"


def _table_of(folder: Path) -> Path | None:
    found = sorted(folder.glob("HEST_*.csv"))
    return found[-1] if found else None


def _slide_of(folder: Path, name: str) -> Path | None:
    places = [folder / "wsis" / f"{name}{suffix}" for suffix in SLIDES]
    return next((p for p in places if p.is_file()), None)


def _values(found: Sequence[Sample], kind: str) -> tuple[str, ...]:
    each = (s.patient if kind == "patient" else s.row.get(COLUMNS[kind], "") for s in found)
    return tuple(dict.fromkeys(v for v in each if v))


def _folded(text: str) -> str:
    word = text.strip().casefold()
    return SAME.get(word, word)


READER = Hest()
