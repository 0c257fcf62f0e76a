"""`napari-stml recipe`: analyses over many sections, in this process or on a cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_stml.cli.terminal import Line, bar, duration, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_stml.runs.recipe import Recipe
    from napari_stml.runs.recipe_run import Report, Runner
    from napari_stml.runs.recipe_work import Event

QUARTERS = 4


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("recipe", help="a YAML file, see docs/recipes.md")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STEP", help="these steps and what they need"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed")
    parser.add_argument("--force", action="store_true", help="compute also what is complete")
    parser.add_argument(
        "--keep-going", action="store_true", help="go on with the rest when something fails"
    )
    parser.add_argument("--threads", type=int, help="of each Run; overrides the recipe")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="a dask scheduler (tls://host:8786), or 'local' for worker processes of our own",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, metavar="N",
        help="processes of --scheduler local (default: 2; 1 on a GPU)",
    )  # fmt: skip
    parser.add_argument("--security", metavar="FOLDER",
                        help="ca.pem, cert.pem and key.pem for a tls:// scheduler")  # fmt: skip


def act(options: argparse.Namespace) -> int:
    from napari_stml.core.errors import StmlError
    from napari_stml.runs.recipe import read_recipe
    from napari_stml.runs.recipe_run import Following, follow

    recipe = read_recipe(options.recipe)
    if options.threads is not None:
        if options.threads < 1:
            raise StmlError("At least one thread is needed", where="--threads")
        recipe = recipe.model_copy(update={"threads": options.threads})
    how = Following(tuple(options.only), options.dry_run, options.force, options.keep_going)
    board, clock = Board(), time.monotonic()
    if options.scheduler is None and options.workers is not None:
        options.scheduler = "local"
    try:
        if options.scheduler is None:
            report = follow(recipe, how, board.tell)
        else:
            report = _on_cluster(recipe, how, board, options)
    finally:
        board.end()
    say(_summary(report, time.monotonic() - clock))
    return 1 if report.failed else 0


def _on_cluster(recipe: Recipe, how: object, board: Board, options: argparse.Namespace) -> Report:
    from napari_stml.runs.cluster import cluster
    from napari_stml.runs.recipe_run import Following, follow

    assert isinstance(how, Following)
    runner: Runner
    with cluster(
        options.scheduler,
        workers=options.workers,
        threads=recipe.threads,
        device=recipe.device,
        security=options.security,
        warn=board.line.above,
    ) as runner:
        return follow(recipe, how, board.tell, runner)


class Board:
    """What every section is at: one moving line, or plain lines at every quarter."""

    def __init__(self) -> None:
        self.line = Line()
        self._running: dict[str, Event] = {}
        self._quarters: dict[tuple[str, str], int] = {}

    def tell(self, event: Event) -> None:
        if event.ended or event.state == "retried":
            self._running.pop(event.section, None)
            self.line.above(_ended(event))
        else:
            self._running[event.section] = event
            if not self.line.moving:
                self._quarter(event)
        self.line.draw("   ".join(map(_running, self._running.values())), at_once=event.ended)

    def end(self) -> None:
        self.line.clear()

    def _quarter(self, event: Event) -> None:
        quarter = int((event.fraction or 0.0) * QUARTERS)
        if event.state == "began":
            self._quarters[event.section, event.step] = 0
            self.line.above(f"{event.section}: {event.step} began")
        elif quarter > self._quarters.get((event.section, event.step), 0):
            self._quarters[event.section, event.step] = quarter
            self.line.above(f"{event.section}: {event.step} {event.fraction:.0%} {event.text}")


def _running(event: Event) -> str:
    return f"{event.section}: {event.step} {bar(event.fraction)} {event.text}"


def _ended(event: Event) -> str:
    said = [f"{event.section}: {event.step} {event.state}"]
    if event.run_id:
        said.append(event.run_id)
    if event.seconds:
        said.append(duration(event.seconds))
    if event.text:
        said.append(event.text)
    return ", ".join(said)


def _summary(report: Report, seconds: float) -> str:
    states = ("computed", "complete", "would run", "written", "left out", "failed")
    counts = [f"{n} {state}" for state in states if (n := report.count(state))]
    end = " (stopped at the first failure; --keep-going goes on)" if report.stopped else ""
    return f"{', '.join(counts) or 'nothing to do'}, {duration(seconds)}{end}"
