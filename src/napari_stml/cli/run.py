"""`napari-stml run ANALYSIS PATH`: one analysis, its options made from its parameters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.cli.opening import add_opening, opened, pair
from napari_stml.cli.terminal import Bar, duration, say
from napari_stml.core.errors import StmlError
from napari_stml.core.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_stml.core.params import Params
    from napari_stml.io.section import Section
    from napari_stml.runs.options import Option

EXAMPLE = "for example: napari-stml run clusters section.zarr --resolution 0.8 --no-sweep"


def configure(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from napari_stml.runs.desk import analyses
    from napari_stml.runs.parameters import load_modules, named_analysis

    add_modules(parser)
    known, rest = _modules_only().parse_known_args(list(words))
    load_modules(known.module)
    if rest and not rest[0].startswith("-"):
        named_analysis(rest[0])  # an unknown name is answered with the nearest
    parser.add_argument("--list", action="store_true", help="list the analyses")
    parser.epilog = EXAMPLE
    each = parser.add_subparsers(dest="analysis", metavar="ANALYSIS")
    for name, kind in sorted(analyses().items()):
        one = each.add_parser(
            name, help=kind.title, description=f"{kind.title}. {_first_line(kind)}",
            formatter_class=argparse.HelpFormatter,
        )  # fmt: skip
        one.add_argument("path", help="a store, folder, h5ad file, slide or URL")
        add_params(one, kind.Params)
        if hasattr(kind, "LiveParams"):
            known_live = ", ".join(kind.LiveParams.model_fields)
            one.add_argument(
                "--live", action="append", default=[], metavar="NAME=VALUE",
                help=f"a position of the live view, kept in the result ({known_live})",
            )  # fmt: skip
        add_running(one)
        add_modules(one)


def act(options: argparse.Namespace) -> int:
    from napari_stml.core.params import condition_words
    from napari_stml.runs.desk import analyses
    from napari_stml.runs.options import without_effect
    from napari_stml.runs.parameters import named_analysis, read_params

    if options.list or options.analysis is None:
        for name, kind in sorted(analyses().items()):
            say(f"{name:<20}{kind.title}: {_first_line(kind)}")
        return 0
    kind = named_analysis(options.analysis)
    params = read_params(kind.Params, given(options, kind.Params), options.analysis)
    for option in without_effect(params, given(options, kind.Params)):
        say(f"note: {option.flag} has no effect here, only with {condition_words(option.info)}")
    live = None
    if getattr(options, "live", None):
        raw = dict(pair(text, "A live value") for text in options.live)
        live = read_params(kind.LiveParams, raw, f"{options.analysis}, live")
    compute(options, options.analysis, params, live=live)
    return 0


def compute(options: argparse.Namespace, analysis: str, params: Params, live: Any = None) -> None:
    """Run on the section of the options and say what was kept where."""
    from napari_stml.runs.desk import Wish, run_now
    from napari_stml.runs.parameters import named_analysis
    from napari_stml.runs.scopes import runs_behind

    bar = Bar(options.title or named_analysis(analysis).title)
    with opened(options) as section:
        wish = Wish(
            analysis, params, (section,), (asked_scope(section, options),), live=live,
            title=options.title, seed=options.seed, threads=options.threads,
            device=options.device, parents=runs_behind(section, options.filter),
            modules=tuple(options.module),
        )  # fmt: skip
        try:
            record = run_now(wish, bar)[0]
        finally:
            bar.end()
        store, locally = section.kept.store.path, section.kept.locally
    say(f"{record.id}  {record.title}, {duration(record.seconds)}")
    say(f"kept {'locally ' if locally else ''}in {store}")
    for entry in record.parts:
        say(f"  {entry.kind.lower():<12}{record.id}/{entry.name}")
    for note in record.notes:
        say(f"note: {note}")


def add_params(parser: argparse.ArgumentParser, model: type[Params], *leave: str) -> None:
    """One option per parameter; rare ones in a group of their own."""
    from napari_stml.runs.options import options_of

    common = parser.add_argument_group("parameters")
    rare = parser.add_argument_group("more parameters")
    for option in options_of(model):
        if option.field not in leave:
            _add(rare if option.hints.get("rare") else common, option)


def given(options: argparse.Namespace, model: type[Params], *leave: str) -> dict[str, Any]:
    """The values that were typed; files as absolute paths, so that the Run can be repeated."""
    from napari_stml.runs.options import options_of

    typed: dict[str, Any] = {}
    for option in options_of(model):
        value = getattr(options, f"param_{option.field}", None)
        if option.field in leave or value is None:
            continue
        value = option.value(value)
        if option.hints.get("source") in {"file", "folder"} and isinstance(value, str) and value:
            value = str(Path(value).expanduser().absolute())
        typed[option.field] = value
    return typed


def add_running(parser: argparse.ArgumentParser) -> None:
    """Where, and under which conditions."""
    scope = parser.add_argument_group("scope", "the whole section, unless one of these is given")
    scope.add_argument(
        "--region", action="append", default=[], metavar="CLASS",
        help='drawn regions of this class; "*" for all; may be repeated',
    )  # fmt: skip
    scope.add_argument(
        "--filter", "--scope-columns", action="append", default=[], metavar="TEST",
        help="observations that pass: COLUMN (boolean), COLUMN=CLASS, COLUMN!=CLASS, also values "
        "of Runs as in qc-1/passes=kept; may be repeated, then all must hold",
    )  # fmt: skip
    scope.add_argument("--scope-of", metavar="RUN", help="the scope that an earlier Run had")
    running = parser.add_argument_group("running")
    running.add_argument("--seed", type=int, default=0, help="(default: 0)")
    running.add_argument("--threads", type=int, default=1, help="(default: 1)")
    running.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")
    running.add_argument("--title", default="", help="what the Run is called in lists")
    add_opening(parser.add_argument_group("opening"))


def add_modules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--module", action="append", default=argparse.SUPPRESS, metavar="NAME",
        help="import a Python module that registers further analyses",
    )  # fmt: skip
    parser.set_defaults(module=[])


def asked_scope(section: Section, options: argparse.Namespace) -> Scope:
    from napari_stml.runs.scopes import in_filter, in_regions, scope_again

    of_run = getattr(options, "scope_of", None)
    ways: Mapping[str, Callable[[], Scope]] = {
        "--region": lambda: in_regions(section, options.region),
        "--filter": lambda: in_filter(section, options.filter),
        "--scope-of": lambda: scope_again(section, of_run or ""),
    }
    wanted = {"--region": options.region, "--filter": options.filter, "--scope-of": of_run}
    asked = [name for name, value in wanted.items() if value]
    if len(asked) > 1:
        raise StmlError(f"{' and '.join(asked)} exclude each other", do="give one of them")
    return ways[asked[0]]() if asked else Scope()


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    """Nothing is given by default: the model's own defaults then hold."""
    common: dict[str, Any] = {
        "dest": f"param_{option.field}", "default": None, "required": option.required,
        "help": option.help.replace("%", "%%"),
    }  # fmt: skip
    name = option.field.upper()
    if option.shape == "switch":
        group.add_argument(option.flag, action=argparse.BooleanOptionalAction, **common)
    elif option.shape in ("many", "pairs"):
        common["metavar"] = "NAME=VALUE" if option.shape == "pairs" else name
        group.add_argument(option.flag, action="extend", nargs="*", **common)
    elif option.choices:
        words = [*option.choices, "none"] if option.optional else list(option.choices)
        group.add_argument(option.flag, choices=words, **common)
    else:
        group.add_argument(option.flag, metavar=name, **common)


def _modules_only() -> argparse.ArgumentParser:
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--module", action="append", default=[])
    return early


def _first_line(kind: Any) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]
