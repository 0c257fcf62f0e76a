"""The command line: every command does its work without a window, and errors are one line."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parent / "runs"))

from cohort import values_of, write_section

from napari_stml.analyses import load_all
from napari_stml.cli import COMMANDS, main
from napari_stml.cli.terminal import Bar, Line, duration
from napari_stml.core.params import Params, param
from napari_stml.core.progress import Progress
from napari_stml.runs.options import changed_words, options_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STML_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("STML_CACHE_HOME", str(tmp_path / "cache"))
    return write_section(tmp_path / "a.h5ad", 0)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command; its exit code, what it printed and what it complained."""

    def say(*words: object) -> tuple[int, str, str]:
        try:
            code = main([str(w) for w in words])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return say


def test_the_overview_names_every_command(say: Say) -> None:
    code, out, _ = say("--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)
    assert say()[0] == 2
    assert "napari-stml 0." in say("--version")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(say: Say, command: str) -> None:
    code, out, _ = say(command, "--help")
    assert code == 0
    assert f"napari-stml {command}" in out


def test_a_wrong_command_or_analysis_is_answered_with_the_nearest(say: Say, section: Path) -> None:
    assert say("recpie") == (
        2, "", "napari-stml: There is no command 'recpie'. Did you mean recipe.\n"
    )  # fmt: skip
    code, _, err = say("run", "cluster", section)
    assert code == 2
    assert "Did you mean clusters" in err
    code, _, err = say("info", section.with_name("none.h5ad"))
    assert code == 2
    assert err.count("\n") == 1


def test_every_analysis_has_a_subcommand_with_its_parameters(say: Say) -> None:
    _, listed, _ = say("run", "--list")
    for name, kind in load_all().items():
        assert name in listed
        _, out, _ = say("run", name, "--help")
        flat = " ".join(out.split())
        for option in options_of(kind.Params):
            assert option.flag in out
            assert str(option.info.title) in flat


def test_run_prints_id_place_values_and_notes(say: Say, section: Path) -> None:
    code, out, err = say(
        "run", "scores", section, "--genes", "G1", "G2", "NOPE", "--title", "two genes"
    )
    assert code == 0
    assert "scores-1  two genes" in out
    assert f"kept locally in {section.parent / 'data'}" in out
    assert "scores-1/score" in out
    assert "NOPE" in out
    assert "two genes: 0 % reading" in err, "progress in plain lines"
    assert np.isfinite(values_of(section)["scores-1/score"]).all()


def test_an_option_without_effect_is_said(say: Say, section: Path) -> None:
    code, out, _ = say("run", "clusters", "--help")
    flat = " ".join(out.split())
    assert "Only with method k-means or mixture. (default: 8)" in flat
    usual = ("--dimensions", 4, "--variable-genes", 20, "--no-sweep", "--neighbours", 5)
    code, out, _ = say("run", "clusters", section, "--clusters", 3, *usual)
    assert code == 0
    assert "note: --clusters has no effect here, only with method k-means or mixture" in out
    code, out, _ = say("runs", section, "--methods", "clusters-1")
    assert "Resolution: 1" in out
    assert "Number of clusters" not in out


def test_scopes(say: Say, section: Path) -> None:
    genes = ("--genes", "G1", "G2")
    both = ("--filter", "half=left", "--filter", "good")
    assert say("run", "scores", section, *genes, *both)[0] == 0
    assert say("run", "scores", section, *genes, "--scope-of", "scores-1")[0] == 0
    values = values_of(section)
    frame = pd.read_csv(_exported(say, section))
    inside = (frame["half"] == "left") & frame["good"].astype(bool)
    np.testing.assert_array_equal(np.isfinite(values["scores-1/score"]), inside)
    np.testing.assert_array_equal(values["scores-1/score"], values["scores-2/score"])
    for words, said in (
        (("--filter", "half"), "half=CLASS"),
        (("--filter", "half=middle"), "no class 'middle'"),
        (("--filter", "level"), "no yes or no"),
        (("--filter", "hal=left"), "Did you mean half"),
        (("--region", "tumour"), "No region"),
        (("--region", "x", "--filter", "good"), "exclude each other"),
        (("--scope-of", "qc-9"), "no Run 'qc-9'"),
    ):
        code, _, err = say("run", "scores", section, *genes, *words)
        assert code == 2
        assert said in err


def _exported(say: Say, section: Path) -> Path:
    target = section.with_name("all.csv")
    assert say("export", section, target)[0] == 0
    return target


def test_drawn_regions_are_a_scope(say: Say, section: Path) -> None:
    import geopandas as gpd
    import shapely

    from napari_stml import Section

    frame = gpd.GeoDataFrame(
        {"class": ["tumour", "stroma"], "name": ["", ""]},
        geometry=[shapely.box(-10, -10, 410, 1000), shapely.box(410, -10, 1000, 1000)],
    )
    with Section.open(section) as opened:
        opened.kept.store.replace("shapes", "stml.regions", frame)
    assert say("run", "scores", section, "--genes", "G1", "G2", "--region", "tumour")[0] == 0
    inside = np.isfinite(values_of(section)["scores-1/score"])
    np.testing.assert_array_equal(inside, np.tile(np.arange(10) < 5, 8))
    assert say("run", "scores", section, "--genes", "G1", "G2", "--scope-of", "scores-1")[0] == 0
    again = np.isfinite(values_of(section)["scores-2/score"])
    np.testing.assert_array_equal(inside, again)
    _, _, err = say("run", "scores", section, "--genes", "G1", "--region", "tumor")
    assert "stroma, tumour" in err


def test_wrong_values_are_refused_in_words(say: Say, section: Path) -> None:
    for words, said in (
        (("embed", section, "--dimensions", "many"), "'dimensions' cannot be 'many'"),
        (("embed", section, "--dimensions", "0"), "greater than or equal to 1"),
        (("clusters", section, "--method", "best"), "invalid choice: 'best'"),
        (("clusters", section, "--live", "resolution=wide"), "clusters, live"),
        (("clusters", section, "--live", "resolution"), "NAME=VALUE"),
        (("scores", section, "--um-per-px", "half"), "one number or two"),
        (("scores", section, "--choose", "positions"), "NAME=VALUE"),
        (("scores", section, "--module", "no_such_module"), "cannot be imported"),
    ):
        code, _, err = say("run", *words)
        assert code == 2, words
        assert said in err


def test_info_and_runs(say: Say, section: Path) -> None:
    assert "No Run is stored" in say("runs", section)[1]
    say("run", "scores", section, "--genes", "G1", "G2")
    assert "scores-1" in say("info", section)[1]
    _, out, _ = say("runs", section)
    assert "Gene and gene-set scores (whole section)" in out
    assert "score, distribution, coverage" in out
    assert "scores-1 was undone" in say("runs", section, "--undo", "scores-1")[1]
    assert "No Run is stored" in say("runs", section)[1]
    assert "is back" in say("runs", section, "--redo", "scores-1")[1]
    code, _, err = say("runs", section, "--undo", "score-1")
    assert code == 2
    assert "Did you mean scores-1" in err


def test_export_takes_a_part_and_names(say: Say, section: Path) -> None:
    target = section.with_name("part.csv")
    words = ("export", section, target, "--columns", "half", "G3", "--filter", "half=right")
    assert say(*words)[0] == 0
    frame = pd.read_csv(target)
    assert list(frame.columns)[-2:] == ["half", "G3"]
    assert set(frame["half"]) == {"right"}
    code, _, err = say(*words)
    assert code == 2
    assert "exists already" in err
    assert say(*words, "--overwrite")[0] == 0


def test_export_says_which_run_has_no_value_per_spot(say: Say, section: Path) -> None:
    assert say("run", "markers", section, "--column", "half")[0] == 0
    assert say("run", "scores", section, "--genes", "G1", "G2")[0] == 0
    target = section.with_name("runs.csv")
    code, out, _ = say("export", section, target, "--runs", "markers-1", "scores-1")
    assert code == 0
    assert "nothing of markers-1: no value per observation" in out
    assert "scores-1.score" in pd.read_csv(target).columns
    for words in (("--runs", "scores-1"), ("--columns", "G3")):
        assert "nothing of" not in say("export", section, target, *words, "--overwrite")[1]


def test_figure_takes_values_and_options_in_any_order(say: Say, section: Path) -> None:
    target = section.with_name("f.png")
    for words in ((section, "--dpi", 60, "half", "G3"), ("--dpi", 60, section, "half", "G3")):
        code, out, err = say("figure", *words, "--out", target)
        assert (code, err) == (0, "")
        assert str(target) in out
        assert target.exists()
        target.unlink()
    code, _, err = say("figure", section, "half", "--dots", 60, "--out", target)
    assert code == 2
    assert "--dots" in err


def test_recipe(say: Say, section: Path) -> None:
    file = section.with_name("run.yaml")
    file.write_text(
        "recipe: 1\nsections: [a.h5ad]\nsteps: [{analysis: scores, params: {genes: [G1, G2]}}]\n"
    )
    code, out, err = say("recipe", file, "--dry-run")
    assert (code, out.split(",")[0]) == (0, "1 would run")
    code, out, err = say("recipe", file)
    assert (code, out.split(",")[0]) == (0, "1 computed")
    assert "a: scores computed, scores-1" in err
    assert say("recipe", file)[1].startswith("1 complete")
    assert say("recipe", file, "--threads", "2")[1].startswith("1 computed")
    file.write_text(file.read_text().replace("G1, G2", "NOPE"))
    code, out, err = say("recipe", file)
    assert code == 1
    assert out.startswith("1 failed")
    assert "a: scores failed" in err


def test_doctor_never_fails(say: Say, section: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_stml.cli import doctor

    def broken() -> Any:
        raise RuntimeError("no libraries")

    monkeypatch.setattr(doctor, "_opengl", broken)
    code, out, _ = say("doctor")
    assert code == 0
    assert "could not be looked at (RuntimeError: no libraries)" in out
    for words in ("Python 3.", "spatialdata", "kept locally", "analyses: ", "dask.distributed"):
        assert words in out


def test_doctor_looks_at_qt_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_stml.cli import doctor

    monkeypatch.setenv("QT_QPA_PLATFORM", "no-such-platform")
    finding = doctor._opengl()
    assert finding.mark == "!!"
    assert finding.advice


def test_an_unexpected_error_is_one_line_and_a_log(
    say: Say, section: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_stml.io import describe

    def broken(_: object) -> str:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(describe, "describe", broken)
    code, _, err = say("info", section)
    assert code == 1
    assert err.startswith("napari-stml: ZeroDivisionError: by nothing (details in ")
    log = section.parent / "cache" / "logs" / "command-line.log"
    assert "Traceback" in log.read_text()


class Everything(Params):
    number: int = param(3, title="Number", help="N.", unit="um")
    share: float = param(0.1, title="Share", help="S %.")
    seed: str = param("", title="Seed", help="A name that is taken.")
    on: bool = param(True, title="On", help="O.")
    genes: tuple[str, ...] = param((), title="Genes", help="G.")
    sizes: tuple[int, ...] = param((1, 2), title="Sizes", help="Z.")
    names: tuple[tuple[str, str], ...] = param((), title="Names", help="D.")
    maybe: float | None = param(None, title="Maybe", help="M.")
    nested: dict[str, int] = param({}, title="Nested", help="J.")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"number": -4, "share": 1e-7, "seed": "- a 'b' \"c\"", "on": False},
        {"genes": ("A", "-B", "C D")},
        {"genes": ("A", "B"), "sizes": ()},
        {"names": (("a=b", "c"), ("-x", "y=z"), ("[q", ""))},
        {"names": (("old", "new = er"),), "maybe": 2.5, "nested": {"a": 1}},
    ],
)
def test_any_values_survive_the_way_through_a_shell(values: dict[str, Any]) -> None:
    import argparse
    import shlex

    from napari_stml.cli.run import add_params, given

    params = Everything(**values)
    line = shlex.join(changed_words(params))
    parser = argparse.ArgumentParser()
    add_params(parser, Everything)
    parser.format_help()
    typed = given(parser.parse_args(shlex.split(line)), Everything)
    assert Everything.model_validate(typed) == params
    assert options_of(Everything)[2].flag == "--set-seed"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_moving_line_on_a_screen_and_plain_lines_elsewhere() -> None:
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        bar = Bar("Clusters", stream)
        for i in range(100):
            bar(Progress(i, 100, "links"))
        bar.end()
    assert "\r" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[2K"), "nothing of it stays"
    lines = file.getvalue().splitlines()
    assert lines[:2] == ["Clusters: 0 % links", "Clusters: 10 % links"]
    assert len(lines) == 10
    assert Line(file).moving is False
    assert duration(3.21) == "3.2 s"
    assert duration(125) == "2 min 5 s"


def test_a_classifier_is_taken_out_and_applied_elsewhere(
    say: Say, section: Path, tmp_path: Path
) -> None:
    target = tmp_path / "own.safetensors"
    code, _, wrong = say("export", section, target)
    assert code == 2
    assert "No such Run holds a model" in wrong
    assert say("run", "few-strokes", section, "--column", "half")[0] == 0
    code, _, wrong = say("export", section, target, "--columns", "half")
    assert code == 2
    assert "Leave out --columns" in wrong
    assert say("export", section, target, "--runs", "few-strokes-1")[0] == 0
    assert say("export", section, target)[0] == 2, "a file that exists is not written over"
    assert say("export", section, target, "--overwrite")[0] == 0
    other = write_section(tmp_path / "b.h5ad", 1)
    code, out, _ = say("run", "apply-strokes", other, "--file", target)
    assert code == 0
    assert "apply-strokes-1" in out
