"""What an analysis asks of a section: a closed list, resolved before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transform = Literal["counts", "log", "as stored"]
"""``log``: counts per 10,000 with log1p, from the stored size factors where there are any."""


@dataclass(frozen=True)
class Expression:
    """A matrix observations x genes, CSR float32; `Matrix2D` in the inputs."""

    table: str | None = None
    genes: tuple[str, ...] | None = None
    transform: Transform = "as stored"
    layer: str | None = None
    inside_only: bool = True


@dataclass(frozen=True)
class Column:
    """One value per observation: a float array, or a categorical as codes and categories."""

    name: str
    table: str | None = None


@dataclass(frozen=True)
class Embedding:
    """A dense array (n, k): an obsm of a table, or ``<run id>/<value>``.

    ``named`` gives it as `Named2D`, with the names of its columns.
    """

    key: str
    table: str | None = None
    named: bool = False


@dataclass(frozen=True)
class Pairs:
    """A sparse n x n matrix: an obsp of a table, or ``<run id>/<value>``."""

    key: str
    table: str | None = None


@dataclass(frozen=True)
class Pixels:
    """A slide handle that opens itself in the worker; None takes the reference image."""

    image: str | None = None


@dataclass(frozen=True)
class Outlines:
    """Drawn regions with class and name, in reference pixels; None takes all classes."""

    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Stored:
    """A value of an earlier Run, of any kind (tiles, model, mask): the Run becomes a parent."""

    run: str
    name: str


@dataclass(frozen=True)
class File:
    """A file or folder outside the section; its content hash enters the Run's record."""

    path: str


Need = Expression | Column | Embedding | Pairs | Pixels | Outlines | Stored | File
