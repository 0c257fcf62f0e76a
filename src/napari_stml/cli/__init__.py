"""`napari-stml`: everything the program does, without a screen where none is needed.

One file per command, imported when it is asked for; each has ``configure(parser, words)`` and
``act(options)``.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError
from napari_stml.runs.settings import wait_asleep

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "open": "open sections in a window",
    "info": "say what a section holds",
    "run": "run one analysis on a section",
    "runs": "list the stored Runs of a section, describe, repeat or undo them",
    "recipe": "run analyses over many sections, here or on a cluster",
    "bring-in": "join values made elsewhere to a section by barcode",
    "gsmap": "gsMap's steps on gsMap's files: sumstats, scores, LD, maps of traits",
    "export": "write a section as .h5ad, .csv or .parquet",
    "regions": "list drawn regions; read and write QuPath's GeoJSON, memberships as CSV",
    "figure": "draw a section, a region or a chart for print",
    "gallery": "draw tiles with their attention maps and values for print",
    "report": "write one page about a section and its Runs",
    "demo": "make the demo sections and show them",
    "doctor": "say what works on this computer, and what to do about what does not",
}
FAILED, WRONG, STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error of ours is one line on stderr and exit code 2."""
    if arguments is None:  # this process is ours
        wait_asleep(os.environ)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(overview())
        return 0 if words else WRONG
    if words[0] == "--version":
        from napari_stml import __version__

        sys.stdout.write(f"napari-stml {__version__}\n")
        return 0
    try:
        return _command(words[0], words[1:])
    except StmlError as error:
        return _refuse(str(error), WRONG)
    except KeyboardInterrupt:
        return _refuse("stopped; what was finished is kept, nothing is half-saved", STOPPED)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001 - the traceback goes to the log
        return _refuse(f"{type(error).__name__}: {error} (details in {_log()})", FAILED)


def overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    each = "".join(f"  {name:<{width}}{text}\n" for name, text in COMMANDS.items())
    return (
        "usage: napari-stml COMMAND ...\n\nHistology slides with spatial transcriptomics.\n\n"
        f"{each}\nnapari-stml COMMAND --help says more; docs/command-line.md has examples.\n"
    )


def _command(name: str, words: Sequence[str]) -> int:
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean {near[0]}" if near else "see napari-stml --help"
        raise StmlError(f"There is no command '{name}'", do=advice)
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"napari-stml {name}", description=COMMANDS[name].capitalize() + "."
    )
    module.configure(parser, words)
    return int(module.act(_read(parser, words)) or 0)


def _read(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Options may stand before, after or between the words of a list."""
    lists = any(not a.option_strings and a.nargs in {"*", "+"} for a in parser._actions)
    return parser.parse_intermixed_args(words) if lists else parser.parse_args(words)


def _refuse(text: str, code: int) -> int:
    sys.stderr.write(f"napari-stml: {text}\n")
    return code


def _log() -> str:
    """Append the traceback to the log and name the file."""
    from napari_stml.runs.settings import log_folder

    file = log_folder() / "command-line.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as log:
        log.write(traceback.format_exc() + "\n")
    return str(file)
