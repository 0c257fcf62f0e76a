"""`napari-stml gsmap STEP`: gsMap's commands, with gsMap's own flags, on gsMap's folders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_stml.cli.terminal import Bar, say
from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence

    from napari_stml.core.progress import Progress

STEPS = {
    "format-sumstats": "bring the summary statistics of a GWAS into form",
    "quick-mode": "all steps with a resource directory",
    "run-find-latent-representations": "step 1: what makes spots alike",
    "run-latent-to-gene": "step 2: gene specificity scores",
    "run-generate-ldscore": "step 3: LD scores of the spots from a panel",
    "run-spatial-ldsc": "step 4: a regression per spot",
    "run-cauchy-combination": "step 5: one p for each annotation",
    "run-report": "step 6: the page of a trait, with its tables and pictures",
    "create-slice-mean": "the mean of several samples, so that they can be compared",
    "check-resource": "say what of a resource directory is there, and where to get the rest",
    "build-resource": "make a resource directory from a PLINK panel of any ancestry",
}


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    each = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    asked = words[0].replace("_", "-") if words else ""
    for name, text in STEPS.items():
        one = each.add_parser(
            name, aliases=[name.replace("-", "_")], help=text,
            description=text[0].upper() + text[1:] + ".", allow_abbrev=False,
        )  # fmt: skip
        if name == asked:
            _module(name).configure(one, name)


def act(options: argparse.Namespace) -> int:
    step = options.step.replace("_", "-")
    done = _module(step).act(options, step)
    if isinstance(done, int):
        return done
    bar = Bar(STEPS[step])
    try:
        notes = _followed(done, bar)
    finally:
        bar.end()
    for note in notes:
        say(note)
    return 0


def _followed(steps: Generator[Progress, None, tuple[str, ...]], bar: Bar) -> tuple[str, ...]:
    while True:
        try:
            bar(next(steps))
        except StopIteration as end:
            notes: tuple[str, ...] = end.value
            return notes


def _module(step: str) -> Any:
    names = {
        "format-sumstats": "gsmap_sumstats", "check-resource": "gsmap_resource",
        "build-resource": "gsmap_resource",
    }  # fmt: skip
    if step not in STEPS:
        raise StmlError(f"There is no step '{step}'", do="see napari-stml gsmap --help")
    return importlib.import_module(f"napari_stml.cli.{names.get(step, 'gsmap_steps')}")
