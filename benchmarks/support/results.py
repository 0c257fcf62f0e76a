"""What a benchmark says: RATIO lines, and with ``--record`` a page in benchmarks/results."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

RESULTS = Path(__file__).resolve().parents[1] / "results"
COLUMNS = ("ours", "peer", "unit", "ratio", "target")


def ratio(what: str, ours: float, peer: float | None, unit: str, value: float, target: float,
          met: bool) -> None:  # fmt: skip
    """Print one line of the form that all benchmarks end with."""
    shown = "absent" if peer is None else f"{peer:.4g}"
    print(
        f"RATIO {what} ours={ours:.4g} peer={shown} unit={unit} ratio={value:.3f} "
        f"target={target:.4g} {'met' if met else 'short'}",
        flush=True,
    )


def add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/<name>.md")


@contextmanager
def recorded(program: str, record: bool, page_name: str = "") -> Iterator[None]:
    """Keep what is printed; at a good end it becomes the page of this program."""
    if not record:
        yield
        return
    load = _load()
    heard = _Heard(sys.stdout)
    with redirect_stdout(heard):
        yield
    name = Path(program).stem
    RESULTS.mkdir(exist_ok=True)
    page = RESULTS / f"{page_name or name}.md"
    page.write_text(_page(name, heard.getvalue(), load), encoding="utf-8")
    print(f"written: {page.relative_to(RESULTS.parents[1])}")


class _Heard(io.StringIO):
    def __init__(self, through: TextIO) -> None:
        super().__init__()
        self._through = through

    def write(self, text: str) -> int:
        self._through.write(text)
        return super().write(text)

    def flush(self) -> None:
        self._through.flush()


def _page(name: str, said: str, load: str) -> str:
    lines = said.splitlines()
    rows = [_row(line) for line in lines if line.startswith("RATIO ")]
    rest = "\n".join(line for line in lines if not line.startswith("RATIO ")).strip()
    words = [w for w in sys.argv[1:] if w != "--record"]
    head = "| what | " + " | ".join(COLUMNS) + " | verdict |\n|" + "---|" * (len(COLUMNS) + 2)
    parts = [
        f"# {name}",
        f"`python benchmarks/{' '.join([f'{name}.py', *words])}`, {time.strftime('%Y-%m-%d')}, "
        f"commit {_commit()}, {_machine()}, load {load} before and {_load()} after.",
        "\n".join([head, *rows]) if rows else "",
        f"```\n{rest}\n```" if rest else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(line: str) -> str:
    _, what, *pairs, verdict = line.split()
    values = dict(pair.split("=", 1) for pair in pairs)
    return f"| {what} | " + " | ".join(values[c] for c in COLUMNS) + f" | {verdict} |"


def _commit() -> str:
    asked = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty=+"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _machine() -> str:
    """Return the class of the machine; never its name."""
    cpu = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        text = told.read_text(encoding="utf-8", errors="replace").splitlines()
        cpu = next((t.split(":", 1)[1].strip() for t in text if t.startswith("model name")), cpu)
        if any(t.startswith("flags") and " hypervisor" in t for t in text):
            cpu += ", virtual"
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return f"{cpu}, {os.cpu_count()} cores"
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
