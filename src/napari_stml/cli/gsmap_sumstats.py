"""`napari-stml gsmap format-sumstats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_stml.cli.terminal import say
from napari_stml.io.gsmap.headers import OPTIONS
from napari_stml.io.gsmap.sumstats import (
    FormatOptions,
    format_sumstats,
    read_headers,
    write_sumstats,
)

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser, step: str) -> None:
    parser.add_argument("--sumstats", required=True, help="text with a header; .gz and .bz2 too")
    parser.add_argument("--out", required=True, help="written: OUT.sumstats.gz")
    columns = parser.add_argument_group("columns", "where their names are not the usual ones")
    for option, name in OPTIONS.items():
        extra = ", or a number of people for all rows" if option == "n" else ""
        columns.add_argument(f"--{option}", metavar="COLUMN", help=f"{name}{extra}")
    rules = parser.add_argument_group("rules")
    rules.add_argument("--info_min", type=float, default=0.9, help="(default: 0.9)")
    rules.add_argument("--maf_min", type=float, default=0.01, help="(default: 0.01)")
    rules.add_argument("--dbsnp", help="table or VCF of dbSNP: rs numbers of positions")
    rules.add_argument("--chunksize", type=int, default=1_000_000, help="rows of it at a time")
    rules.add_argument("--format", choices=["gsMap", "COJO"], default="gsMap")
    rules.add_argument("--keep_chr_pos", action="store_true", help="also write Chr and Pos")
    rules.add_argument("--parity", action="store_true", help="exactly as gsMap 1.73.8, faults too")
    rules.add_argument("--dry-run", action="store_true", help="only say what is taken for what")


def act(options: argparse.Namespace, step: str) -> int:
    chosen = formatting(options)
    say(read_headers(options.sumstats, chosen).text())
    if options.dry_run:
        return 0
    done = format_sumstats(options.sumstats, chosen)
    say(done.text())
    say(f"written: {write_sumstats(done, options.out, chosen.format)}")
    return 0


def formatting(options: argparse.Namespace) -> FormatOptions:
    columns = {name: getattr(options, name) for name in OPTIONS if getattr(options, name)}
    people = columns.get("n", "")
    number = int(people) if people.isdigit() else None
    if number is not None:
        del columns["n"]
    if options.parity:
        columns.setdefault("chr", "Chr")
        columns.setdefault("pos", "Pos")
    return FormatOptions(
        columns, number, options.info_min, options.maf_min,
        Path(options.dbsnp) if options.dbsnp else None, options.chunksize, options.format,
        options.keep_chr_pos, options.parity,
    )  # fmt: skip
