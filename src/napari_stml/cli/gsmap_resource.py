"""`napari-stml gsmap check-resource` and `build-resource`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.cli.gsmap_steps import add_panel, panel_choice
from napari_stml.cli.terminal import say
from napari_stml.io.gsmap.resource import check, provenance

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser, step: str) -> None:
    if step == "check-resource":
        parser.add_argument("folder", help="gsMap_resource")
        return
    parser.add_argument("--out", required=True, help="the folder to be made")
    parser.add_argument("--genes", help="text file with the genes to keep; without it all")
    parser.add_argument("--about", default="", help="ancestry and genome build, in words")
    add_panel(parser)


def act(options: argparse.Namespace, step: str) -> Any:
    if step == "check-resource":
        return _check(Path(options.folder))
    from napari_stml.analyses._gsmap.ld_files import build_resource

    genes = Path(options.genes).read_text(encoding="utf-8").split() if options.genes else []
    return build_resource(panel_choice(options), tuple(genes), Path(options.out), options.about)


def _check(folder: Path) -> int:
    found = check(folder)
    for each in found:
        say(f"{each.state:<12}{each.part}: {each.text}{f'. {each.do}' if each.do else ''}")
    say(f"panel: {provenance(folder)}")
    usable = all(f.state != "missing" for f in found)
    say("quick mode can run" if usable else "quick mode cannot run")
    return 0 if usable else 2
