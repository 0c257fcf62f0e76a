from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from sections import MODULE, ToyParams, write_section

from napari_stml import Section
from napari_stml.core.errors import CannotOpenError
from napari_stml.runs.cohort import Member, read_cohort, relinked, status, write_cohort
from napari_stml.runs.desk import Wish, run_now

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with two sections in subfolders."""
    folder = tmp_path / "Studie ä"
    for name in ("A", "B"):
        (folder / name).mkdir(parents=True)
        write_section(folder / name / "counts.h5ad")
    return folder


def members(study: Path) -> tuple[Member, ...]:
    return tuple(Member(str(study / n / "counts.h5ad"), n, 0.5) for n in ("A", "B"))


def test_a_cohort_comes_back_and_moves_with_its_folder(study: Path, tmp_path: Path) -> None:
    remote = Member("https://example.org/c.zarr", "C", None, (("section", "c1"),))
    write_cohort(study / "cohort.yaml", [*members(study), remote])
    assert read_cohort(study / "cohort.yaml") == (*members(study), remote)
    moved = tmp_path / "elsewhere"
    shutil.move(study, moved)
    again = read_cohort(moved / "cohort.yaml")
    assert [m.missing for m in again] == [False, False, False]


def test_one_relinked_section_brings_the_others_along(study: Path, tmp_path: Path) -> None:
    before = members(study)
    moved = tmp_path / "archive" / "2026"
    moved.parent.mkdir()
    shutil.move(study, moved)
    assert all(m.missing for m in before)
    after = relinked(before, 0, moved / "A" / "counts.h5ad")
    assert [m.path for m in after] == [str(moved / n / "counts.h5ad") for n in ("A", "B")]
    assert [m.um_per_px for m in after] == [0.5, 0.5]


def test_the_status_counts_what_is_kept(study: Path) -> None:
    first, second = members(study)
    assert status(first).words == "not analysed yet"
    with Section.open(first.path) as section:
        run_now(Wish("toy-sections", ToyParams(), (section,), modules=(MODULE,)))
    assert status(first).runs == 1
    assert status(second).runs == 0
    assert "missing" in status(Member("/nowhere/at/all.h5ad")).words
    assert status(Member("s3://bucket/x.zarr")).words == "remote"


@pytest.mark.parametrize("text", ["", "just words", "sections: 3", "steps: []", "a: [b"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.yaml"
    path.write_text(text)
    with pytest.raises(CannotOpenError, match="no cohort file"):
        read_cohort(path)
