"""Summary statistics as people keep them: their headers, separators, and what is dropped."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from napari_stml.cli import main
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


def gsmap(*words: object) -> int:
    return main(["gsmap", *map(str, words)])


def sums(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_slides_example(tmp_path: Path) -> None:
    path = sums(tmp_path / "a.txt", "rsid effect_allele other_allele p_value beta n",
                "rs1 A G 2e-8 0.25 1000", "rs2 A G 2e-8 -0.25 1000")  # fmt: skip
    assert format_sumstats(path).table["Z"].round(2).tolist() == [5.61, -5.61]


@pytest.mark.parametrize(("header", "row", "z", "n"), [
    ("CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA",
     "1 5 rs1 G A 0.3 0.99 500 ADD -0.2 0.05 16 4.19987 NA", -4.0, 500),
    ("hm_rsid hm_effect_allele hm_other_allele odds_ratio p_value n_cas n_con rsid",
     "rs1 A G 0.9 0.01 200 300 rs1", -2.576, 500),
    ("#CHROM POS ID REF ALT A1 OBS_CT BETA SE T_STAT P", "1 5 rs1 G A A 700 0.1 0.1 1 0.317311",
     1.0, 700),
    ("SNP A1 A2 OR SE_OR N", "rs1 A G 1.2 0.12 900", 1.823, 900),
])  # fmt: skip
def test_usual_headers(tmp_path: Path, header: str, row: str, z: float, n: int) -> None:
    table = format_sumstats(sums(tmp_path / "a.txt", header, row)).table
    assert table["Z"][0] == pytest.approx(z, abs=1e-3)
    assert table["N"][0] == n


@pytest.mark.parametrize(("header", "row", "words"), [
    ("SNP A1 A2 P BETA", "rs1 A G 0.1 1", "number of people is missing"),
    ("SNP A1 A2 P N", "rs1 A G 0.1 100", "no effect"),
    ("A1 A2 Z N", "A G 1 100", "neither rs numbers nor positions"),
    ("CHR POS A1 A2 Z N", "1 5 A G 1 100", "give a table of dbSNP"),
    ("SNP A1 A2 P BETA N", "rs1 A G 0 1 100", "No SNP is left"),
])  # fmt: skip
def test_sumstats_that_cannot_be_formatted(
    tmp_path: Path, header: str, row: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sums(tmp_path / "a.txt", header, row)
    assert gsmap("format-sumstats", "--sumstats", path, "--out", tmp_path / "o") == 2
    assert words.lower() in capsys.readouterr().err.lower()
    assert not (tmp_path / "o.sumstats.gz").exists()


def test_formatting_says_what_it_takes_and_drops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sums(tmp_path / "a.txt", "snpid effect_allele other_allele pval BETA SE",
                "rs1 a g 0.1 1 1", "rs2 A T 0.1 1 1", "rs3 A G 0 5 0.1")  # fmt: skip
    words = ("format_sumstats", "--sumstats", path, "--out", tmp_path / "o", "--n", 500)
    assert gsmap(*words, "--dry-run") == 0
    assert "pval -> P" in capsys.readouterr().out
    assert gsmap(*words) == 0
    said = capsys.readouterr().out
    assert "1 dropped: alleles" in said
    assert "p = 0: z is effect / standard error" in said
    table = pd.read_csv(tmp_path / "o.sumstats.gz", sep="\t")
    assert table.to_dict("list") == {"SNP": ["rs1", "rs3"], "A1": ["A", "A"], "A2": ["G", "G"],
                                     "Z": [1.645, 50.0], "N": [500, 500]}  # fmt: skip
