"""`napari-stml bring-in`: values made elsewhere become values of the section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.cli.run import add_modules, add_params, add_running, compute, given

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

KINDS = ("categories", "scores", "proportions", "embedding")


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from napari_stml.analyses.bring_in import BringInParams

    parser.add_argument("path", help="the section")
    parser.add_argument("file", help="CSV, TSV, XLSX, .h5ad or .npy")
    parser.add_argument("--as", dest="kind", choices=KINDS, required=True)
    add_params(parser, BringInParams, "file", "kind")
    add_running(parser)
    add_modules(parser)


def act(options: argparse.Namespace) -> None:
    from pathlib import Path

    from napari_stml.analyses.bring_in import BringInParams
    from napari_stml.runs.parameters import read_params

    raw = given(options, BringInParams, "file", "kind")
    file = str(Path(options.file).expanduser().absolute())
    params = read_params(BringInParams, {"file": file, "kind": options.kind, **raw}, options.file)
    compute(options, "bring-in", params)
