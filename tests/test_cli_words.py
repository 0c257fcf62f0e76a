"""Bring in; a Run in words; and the command and the script that repeat it, bit for bit."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "runs"))

from cohort import values_of, write_section

from napari_stml import Section
from napari_stml.cli import main
from napari_stml.core.results import Labels
from napari_stml.runs.words import as_command, as_script, describe


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STML_DATA_HOME", str(tmp_path / "data"))
    return write_section(tmp_path / "a slide.h5ad", 0)


def run(*words: object) -> None:
    assert main([str(w) for w in words]) == 0


EMBED = (
    "run", "embed", "--variable-genes", 30, "--dimensions", 4, "--no-umap", "--seed", 5,
)  # fmt: skip
CASES = {
    "embed of a filter": (*EMBED, "--title", "it's \"left\"", "--filter", "half=left"),
    "clusters, live": (
        "run", "clusters", "--no-sweep", "--dimensions", 4, "--variable-genes", 30,
        "--live", "resolution=0.4", "--um-per-px", 0.5, "--smooth", 1,
    ),
    "cell types": (
        "run", "cell-types", "--way", "rename", "--column", "half",
        "--mapping", "left=tumour bed", "right=a=b",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_command_and_script_repeat_a_run_bit_for_bit(
    section: Path, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, analysis, *rest = CASES[case]
    run(command, analysis, section, *rest)
    scale = {"um_per_px": 0.5} if "--um-per-px" in rest else {}
    with Section.open(section, **scale) as opened:
        assert opened.shelf is not None
        record = opened.shelf.records[f"{analysis}-1"]
        line, script = as_command(record, opened), as_script(record, opened)
    words = shlex.split(line)
    assert words[0] == "napari-stml"
    monkeypatch.chdir(tmp_path)  # both name the section from the root
    run(*words[1:])
    (tmp_path / "again.py").write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, "again.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{analysis}-3" in done.stdout
    values = values_of(section)
    names = [k.partition("/")[2] for k in values if k.startswith(f"{analysis}-1/")]
    assert names
    for name in names:
        for again in (2, 3):
            np.testing.assert_array_equal(
                values[f"{analysis}-1/{name}"], values[f"{analysis}-{again}/{name}"]
            )
    with Section.open(section) as opened:
        assert opened.shelf is not None
        records = opened.shelf.records
    for again in (2, 3):
        other = records[f"{analysis}-{again}"]
        assert other.signature_text == record.signature_text
        assert other.title == record.title


def test_methods_paragraph(section: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*EMBED[:2], section, *EMBED[2:], "--filter", "half=left")
    capsys.readouterr()
    run("runs", section, "--methods", "embed-1")
    text = capsys.readouterr().out
    for said in (
        "Normalise, PCA and UMAP (embed) was computed on 40 observations of", "where half=left",
        "Principal components: 4", "Variable genes: 30 genes", "UMAP: no", "seed 5", "1 thread",
        "napari-stml 0.1.0 (beside it NumPy", "under Python 3.",
    ):  # fmt: skip
        assert said in text
    assert "Table" not in text, "what was left at its default under More is not said"
    assert text.count("\n") == 1


LABELS = "Barcode,class,score,T cell,B cell\n" + "".join(
    f"r{r}c{c},{'tumour' if c < 5 else 'stroma'},{r * 0.5},{c},{10 - c}\n"
    for r in range(6)
    for c in range(10)
)


def test_bring_in(section: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(LABELS)
    run("bring-in", section, file, "--as", "categories", "--columns", "class")
    said = capsys.readouterr().out
    assert "60 of 80 observations got a value from labels.csv." in said
    run("bring-in", section, file, "--as", "scores", "--columns", "score", "--filter", "half=left")
    run("bring-in", section, file, "--as", "proportions", "--columns", "T cell", "B cell",
        "--normalise", "--name", "types")  # fmt: skip
    np.save(tmp_path / "map.npy", np.arange(160.0).reshape(80, 2))
    run("bring-in", section, tmp_path / "map.npy", "--as", "embedding", "--in-order")
    values = values_of(section)
    with Section.open(section) as opened:
        assert opened.shelf is not None
        classes = opened.shelf.part("bring-in-1", "class")
        record = opened.shelf.records["bring-in-1"]
        assert "bring-in-1/class" in opened.columns()
    assert isinstance(classes, Labels)
    assert classes.categories == ("stroma", "tumour")
    assert (classes.codes[60:] == -1).all(), "what the file does not say is missing"
    assert record.params["file"] == str(file)
    assert "It used" not in describe(record)
    scores = values["bring-in-2/score"].reshape(8, 10)
    assert np.isnan(scores[:, 5:]).all(), "outside the scope"
    np.testing.assert_array_equal(scores[2, :5], 1.0)
    np.testing.assert_allclose(values["bring-in-3/types"][:60].sum(axis=1), 1)
    np.testing.assert_array_equal(values["bring-in-4/map"], np.arange(160.0).reshape(80, 2))
    run("run", "markers", section, "--column", "bring-in-1/class")


def test_brought_in_again_when_the_file_changed(section: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(LABELS)
    recipe = tmp_path / "run.yaml"
    recipe.write_text(
        "recipe: 1\nsections: ['a slide.h5ad']\n"
        "steps: [{analysis: bring-in, params: {file: labels.csv, columns: [class]}}]\n"
    )
    run("recipe", recipe)
    run("recipe", recipe)
    assert "bring-in-2/class" not in values_of(section)
    file.write_text(LABELS.replace("tumour", "tumor"))
    run("recipe", recipe)
    assert set(values_of(section)["bring-in-2/class"][:60]) == {"tumor", "stroma"}


def test_a_file_without_our_barcodes(
    section: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.csv"
    file.write_text("Barcode,class\nAAAC-1,x\nAAAG-1,y\n")
    assert main(["bring-in", str(section), str(file), "--as", "categories"]) == 2
    assert "No column of the file holds barcodes" in capsys.readouterr().err
    assert values_of(section) == {}
