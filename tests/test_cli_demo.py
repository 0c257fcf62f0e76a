"""What `napari-stml demo` does in which order, with the slow parts replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from napari_stml.cli import demo, demo_results, main
from napari_stml.cli.demo_results import leave_results

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    made: list[Any] = []
    paths = SimpleNamespace(store=tmp_path / "demo.zarr")

    def make(folder: Path, **_: Any) -> Any:
        made.append("make")
        return paths

    def results(store: Path, folder: Path, *, threads: int) -> list[Path]:
        made.append(("results", store.name, threads))
        return [folder / "report.html"]

    def run(command: list[str], **_: Any) -> Any:
        made.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("napari_stml.demo.make_demo", make)
    monkeypatch.setattr(demo_results, "leave_results", results)
    monkeypatch.setattr(demo.subprocess, "run", run)
    monkeypatch.setattr("napari_stml.plugin.open_window", lambda paths: made.append("window"))
    monkeypatch.setattr("napari_stml.plugin.tour", lambda *_: made.append("tour") or [])
    return made


def screen(monkeypatch: pytest.MonkeyPatch, *, display: bool, xvfb: bool) -> None:
    monkeypatch.setattr(demo, "has_display", lambda: display)
    monkeypatch.setattr(demo.shutil, "which", lambda _: "/usr/bin/xvfb-run" if xvfb else None)


def test_only_the_files(calls: list[Any], tmp_path: Path) -> None:
    assert main(["demo", "--no-window", "--folder", str(tmp_path)]) == 0
    assert calls == ["make"]


def test_on_a_screen_a_window_stays_open(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen(monkeypatch, display=True, xvfb=False)
    assert main(["demo", "--folder", str(tmp_path), "--threads", "2"]) == 0
    assert calls[:2] == ["make", ("results", "demo.zarr", 2)]
    assert "--pictures-only" in calls[2]
    assert "xvfb" not in calls[2][0]
    assert calls[3:] == ["window"]


def test_without_a_screen_a_virtual_one_is_photographed(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen(monkeypatch, display=False, xvfb=True)
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    assert calls[2][0] == "/usr/bin/xvfb-run"
    assert "window" not in calls


def test_with_no_screen_at_all_it_says_so_and_leaves_the_rest(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    screen(monkeypatch, display=False, xvfb=False)
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    assert len(calls) == 2
    said = capsys.readouterr().out
    assert "no screenshots" in said
    assert "report.html" in said


def test_pictures_are_taken_without_computing_anything(calls: list[Any], tmp_path: Path) -> None:
    assert main(["demo", "--pictures-only", "--folder", str(tmp_path)]) == 0
    assert calls == ["make", "tour"]


def test_results_are_runs_figures_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small store, with QC alone, twice: nothing is computed again."""
    import anndata as ad
    import numpy as np
    import pandas as pd

    names = pd.Index([f"s{i}" for i in range(64)], dtype=object)
    table = ad.AnnData(
        np.random.default_rng(0).poisson(3, (64, 20)).astype(np.float32),
        obs=pd.DataFrame({"truth_domain": pd.Categorical(["a", "b"] * 32)}, index=names),
        var=pd.DataFrame(index=pd.Index(["ERBB2", *(f"g{i}" for i in range(19))], dtype=object)),
    )
    table.obsm["spatial"] = np.indices((8, 8)).reshape(2, -1).T * 20.0 + 10
    table.write_h5ad(tmp_path / "small.h5ad")
    section = tmp_path / "small.h5ad"
    opened = __import__("napari_stml").Section.open
    monkeypatch.setattr("napari_stml.io.section.Section.open", lambda path, **_: opened(path))
    run = demo_results._run

    def only_qc(section: Any, threads: int) -> Any:
        return run(section, "qc", threads).model_copy(update={"shows": "passes"})

    monkeypatch.setattr(demo_results, "_runs", only_qc)
    for _ in range(2):
        left = list(leave_results(section, tmp_path / "out"))
        assert all(path.exists() for path in left)
        names_left = {p.name for p in left}
        assert {"domains.png", "domains.pdf", "gene-ERBB2.pdf", "report.html"} <= names_left
    with opened(section) as again:
        assert again.shelf is not None
        assert list(again.shelf.records) == ["qc-1"]
