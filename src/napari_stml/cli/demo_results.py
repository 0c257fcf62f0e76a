"""What `napari-stml demo` computes and draws: Runs on section 1, figures, the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.cli.terminal import Bar, Line, duration, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section

SECTION = "section1"
GENE = "ERBB2"
FIGURES, REPORT = "figures", "report.html"
ENDINGS = (".png", ".pdf")


def leave_results(store: Path, folder: Path, *, threads: int = 1) -> Iterator[Path]:
    """Run the first analyses, then write figures and report into the folder.

    Runs that are there already, complete and valid, are not computed again.
    """
    from napari_stml.io.section import Section

    with Section.open(store, section=SECTION) as section:
        clusters = _runs(section, threads)
        yield store
        yield from _figures(section, folder / FIGURES, clusters)
        yield _report(section, folder / REPORT)


def _runs(section: Section, threads: int) -> RunRecord:
    """QC, embedding, clusters and their markers; gives the clusters."""
    _run(section, "qc", threads)
    _run(section, "embed", threads)
    clusters = _run(section, "clusters", threads)
    groups = f"{clusters.id}/{clusters.shows or 'clusters'}"
    _run(section, "markers", threads, (clusters.id,), column=groups)
    return clusters


def _run(
    section: Section, analysis: str, threads: int, parents: tuple[str, ...] = (), **params: Any
) -> RunRecord:
    from napari_stml.runs.desk import Wish, analysis_class, run_now
    from napari_stml.runs.standing import standing

    kind = analysis_class(analysis)
    wish = Wish(analysis, kind.Params(**params), (section,), threads=threads, parents=parents)
    kept = standing(wish)
    if kept is not None:
        say(f"{kept.id}  {kept.title}: kept from before")
        return kept
    bar = Bar(kind.title)
    try:
        record = run_now(wish, bar)[0]
    finally:
        bar.end()
    say(f"{record.id}  {record.title}, {duration(record.seconds)}")
    return record


def _figures(section: Section, folder: Path, clusters: RunRecord) -> Iterator[Path]:
    from napari_stml.figures.tissue import Print, tissue_figure

    named = {
        "slide": ("", Print()),
        "domains": ("truth_domain", Print()),
        f"gene-{GENE}": (GENE, Print(colour_map="magma")),
        "clusters": (f"{clusters.id}/{clusters.shows or 'clusters'}", Print()),
    }
    for name, (value, how) in named.items():
        drawing = tissue_figure(section, value, how)
        for ending in ENDINGS:
            drawing.save(folder / f"{name}{ending}")
            yield folder / f"{name}{ending}"


def _report(section: Section, target: Path) -> Path:
    from napari_stml.figures.report import write_report
    from napari_stml.runs.report_words import in_words

    line = Line()
    notes = write_report(
        section, target, in_words(), on_run=lambda title: line.draw(f"report: {title}")
    )
    line.clear()
    for note in notes:
        say(f"  {note}")
    return target
