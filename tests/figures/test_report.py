from __future__ import annotations

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from napari_stml.cli import main
from napari_stml.core.errors import StmlError
from napari_stml.figures.report import report, write_report
from napari_stml.io.section import Section
from napari_stml.runs.desk import Wish, analysis_class, run_now
from napari_stml.runs.report_words import in_words

if TYPE_CHECKING:
    from pathlib import Path

BAD = '<script>alert("x")<img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section with hostile names, and two QC Runs of it of which one is undone."""
    path = tmp_path_factory.mktemp("section") / "<script>alert('file')<b>.h5ad"
    path = path.with_name(path.name.replace("/", "_"))
    rng = np.random.default_rng(1)
    names = pd.Index([f"s{i}" for i in range(100)], dtype=object)
    table = ad.AnnData(
        csr_matrix(rng.poisson(3, (100, 30)).astype(np.float32)),
        obs=pd.DataFrame({BAD: pd.Categorical(["$a$", BAD] * 50)}, index=names),
        var=pd.DataFrame(index=pd.Index([f"MT-{BAD}{i}" for i in range(30)], dtype=object)),
    )
    table.obsm["spatial"] = np.indices((10, 10)).reshape(2, -1).T * 10.0 + 5
    table.write_h5ad(path)
    with Section.open(path) as section:
        kind = analysis_class("qc")
        for title in (f"QC {BAD}", "taken back"):
            run_now(Wish("qc", kind.Params(), (section,), title=title))
        section.kept.store.undo("qc-2")
    return path


@pytest.fixture(scope="module")
def page(made: Path) -> Page:
    with Section.open(made) as section:
        text, notes = report(section, in_words())
    assert notes == ()
    return Page(text)


def test_the_page_is_inert_and_needs_no_network(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "embed", "a", "b", "form"} & set(tags)
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            if attributes.get(name):
                assert tag == "img"
                assert attributes[name].startswith("data:image/")
    policy = next(a for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")
    style = page.text[: page.text.index("Research use only")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_shown_as_they_are(page: Page) -> None:
    assert f"QC {BAD}" in page.text
    assert "<script>alert('file')<b>" in page.text


def test_head_facts_run_and_undone_are_there(page: Page) -> None:
    assert "Research use only" in page.text
    for words in (
        "100 spots", "unknown", "qc-1", "was computed on the whole of", "Outliers beyond",
        "5.0 MADs", "Content hash", "counts", "Versions", "numpy", "whole section", "Seed",
        "Undone", "taken back",
    ):  # fmt: skip
        assert words in page.text, words
    assert re.search(r"[0-9a-f]{16,}", page.text)


def test_the_map_and_every_chart_are_embedded(page: Page, made: Path) -> None:
    images = [a for t, a in page.tags if t == "img"]
    with Section.open(made) as section:
        assert section.shelf is not None
        charts = [e for e in section.shelf.entries("qc-1") if e.kind == "Chart"]
    kinds = [str(a["src"])[11:].split(";")[0] for a in images]
    assert kinds.count("svg+xml") == len(charts) == 5
    assert kinds.count("jpeg") == 2
    for image in images:
        data = base64.b64decode(str(image["src"]).partition(",")[2])
        if "svg" in str(image["src"])[:20]:
            names = {e.tag.rpartition("}")[2] for e in ET.fromstring(data).iter()}
            assert "script" not in names
        assert image["alt"]


def test_a_run_that_lost_its_values_says_so(made: Path, tmp_path: Path) -> None:
    with Section.open(made) as section:
        assert section.shelf is not None
        store = section.shelf.store
        aside = tmp_path / "aside"
        shutil.move(store / "tables" / "stml.qc-1", aside)
        try:
            text, notes = report(section)
        finally:
            shutil.move(aside, store / "tables" / "stml.qc-1")
    seen = Page(text)
    assert "stml.qc-1. Repeat the Run" in seen.text
    assert any("was not drawn" in note for note in notes)


def test_a_report_changes_nothing_and_is_written_whole(made: Path, tmp_path: Path) -> None:
    def stamps(folder: Path) -> Any:
        return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}

    with Section.open(made) as section:
        assert section.shelf is not None
        before = stamps(section.shelf.store)
        write_report(section, tmp_path / "out" / "report.html")
        assert stamps(section.shelf.store) == before
        with pytest.raises(StmlError, match=r"\.html"):
            write_report(section, tmp_path / "report.pdf")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["report.html"]


def test_commands_write_figures_charts_and_the_report(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    svg = tmp_path / "f.svg"
    assert main(["figure", str(made), "qc-1/passes", "--out", str(svg), "--um-per-px", "2"]) == 0
    text = svg.read_text()
    assert "scale-bar" in text
    assert "qc-1" in text
    assert str(made.parent) not in text
    chart = tmp_path / "c.pdf"
    assert main(["figure", str(made), "qc-1/reasons", "--out", str(chart)]) == 0
    assert chart.read_bytes().startswith(b"%PDF")
    counts = ["figure", str(made), "qc-1/counts", "--out", str(tmp_path / "v.png")]
    assert main([*counts, "--limits", "p10,p90", "--region", "0,0,60,60", "--dpi", "80"]) == 0
    assert main(["report", str(made), "--out", str(tmp_path / "r.html")]) == 0
    out = capsys.readouterr()
    assert "scale bar: none" in out.out
    assert main([*counts, "--limits", "9,1"]) == 2
    assert "lower one first" in capsys.readouterr().err
    assert main([*counts[:-1], str(tmp_path / "v.doc")]) == 2
    assert main(["figure", str(made), "qc-1/nothing", "--out", str(svg)]) == 2
    assert "no value 'nothing'" in capsys.readouterr().err
