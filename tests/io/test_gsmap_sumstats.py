"""Summary statistics as people keep them: parted by tabs, blanks, commas, packed or not."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from napari_stml.io.gsmap.sumstats import FormatOptions, format_sumstats, read_headers

if TYPE_CHECKING:
    from pathlib import Path

TITLES = ("SNP", "A1", "A2", "BETA", "SE", "P", "INFO", "N")
ROWS = (
    ("rs1", "A", "G", "0.25", "0.04456", "2e-8", "0.99", "5000"),
    ("rs2", "C", "T", "-0.25", "0.04456", "2e-8", "1", "5000"),
    ("rs3", "A", "C", "0.01", "0.02", "0.6171", "0.95", "4800"),
)


@pytest.mark.parametrize("between", ["\t", " ", "   ", ",", ", ", ";"])
@pytest.mark.parametrize("packed", [False, True])
def test_any_usual_separator_gives_the_same(tmp_path: Path, between: str, packed: bool) -> None:
    text = "\n".join(between.join(row) for row in (TITLES, *ROWS)) + "\n"
    file = tmp_path / ("trait.csv.gz" if packed else "trait.csv")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert list(read_headers(file, FormatOptions()).names) == list(TITLES)
    table = format_sumstats(file).table
    assert list(table["SNP"]) == ["rs1", "rs2", "rs3"]
    assert list(table["Z"].round(2)) == [5.61, -5.61, 0.5]


def test_empty_cells_of_a_table_with_tabs_do_not_shift_the_others(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][4] = ""  # no SE; P is read beside it
    file = tmp_path / "trait.tsv"
    pd.DataFrame(rows, columns=list(TITLES)).to_csv(file, sep="\t", index=False)
    table = format_sumstats(file).table.set_index("SNP")
    assert table.loc["rs3", "N"] == 4800
    assert round(table.loc["rs1", "Z"], 2) == 5.61
