"""`napari-stml export`: a section, some of its Runs or what one learnt, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.opening import add_opening, opened, pair
from napari_stml.cli.terminal import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.add_argument("path")
    parser.add_argument("target", type=Path, help="its ending decides the format")
    parser.add_argument("--columns", nargs="*", help="columns and genes (csv, parquet)")
    parser.add_argument("--runs", nargs="*", metavar="ID", help="Runs that come along; else all")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="TEST",
        help="only observations that pass: COLUMN, COLUMN=CLASS, COLUMN!=CLASS",
    )  # fmt: skip
    parser.add_argument("--region", action="append", default=[], metavar="CLASS",
                        help="only observations in drawn regions of this class")  # fmt: skip
    parser.add_argument(
        "--name", action="append", default=[], metavar="KEY=NEW",
        help="write a key under another name: X=layers/count, obs/region=domain",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument(
        "--images", choices=("copied", "referenced"), default="copied",
        help="of a .zarr store: copy the pixels, or leave them where they are",
    )  # fmt: skip
    add_opening(parser)


def act(options: argparse.Namespace) -> None:
    from napari_stml.cli.run import asked_scope
    from napari_stml.io.take_out.section import export

    if options.target.suffix in {".zarr", ".safetensors"}:
        (_store if options.target.suffix == ".zarr" else _model)(options)
        return
    names = dict(pair(text, "A name") for text in options.name)
    with opened(options) as section:
        members = asked_scope(section, options).members
        taken = export(
            section, options.target, columns=options.columns, runs=options.runs,
            selection=list(members) if members is not None else None, names=names or None,
            overwrite=options.overwrite,
        )  # fmt: skip
    say(str(taken.path))
    for note in taken.notes:
        say(f"  {note}")


def _store(options: argparse.Namespace) -> None:
    """A SpatialData store: always the whole section, written to a new place."""
    from napari_stml.core.errors import StmlError
    from napari_stml.io.save_section import save_section_as

    if options.columns or options.runs or options.filter or options.region or options.name:
        raise StmlError(
            "A .zarr store holds the whole section", where=options.target,
            do="leave out --columns, --runs, --filter, --region and --name",
        )  # fmt: skip
    with opened(options) as section:
        for name in save_section_as(section, options.target, images=options.images):
            say(f"  {name}")
    say(str(options.target))


def _model(options: argparse.Namespace) -> None:
    """The model that one Run learnt, with its card; apply-strokes takes it to other sections."""
    from napari_stml.core.errors import StmlError
    from napari_stml.io.run_parts.model_file import model_of, write_model

    if options.columns or options.filter or options.region or options.name:
        raise StmlError(
            "A .safetensors file holds the model of one Run", where=options.target,
            do="leave out --columns, --filter, --region and --name",
        )  # fmt: skip
    with opened(options) as section:
        write_model(options.target, model_of(section, options.runs or ()),
                    overwrite=options.overwrite)  # fmt: skip
    say(str(options.target))
