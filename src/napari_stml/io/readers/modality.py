"""What a table measures, in the words shown to the user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_stml.io.tables.base import Table

BY_FEATURE_TYPE = {
    "gene expression": "RNA",
    "antibody capture": "protein",
    "protein expression": "protein",
    "peaks": "ATAC",
    "custom": "custom",
}

_BY_NAME = (
    (re.compile(r"(^|[^a-z])(adt|cite|prot|protein|proteins|antibod\w*)($|[^a-z])"), "protein"),
    (re.compile(r"(^|[^a-z])(atac|peak|peaks)($|[^a-z])"), "ATAC"),
    (re.compile(r"(^|[^a-z])(rna|gex|gene|genes|expression|counts)($|[^a-z])"), "RNA"),
)


def modality_of(table: Table, name: str, default: str | None = None) -> str:
    """Tell by the one feature type in var, else by the file's or group's name."""
    var = table.var()
    if "feature_types" in var:
        kinds = {str(kind) for kind in var["feature_types"].dropna().unique()}
        if len(kinds) == 1:
            kind = kinds.pop()
            return BY_FEATURE_TYPE.get(kind.lower(), kind)
    return named_modality(name) or default or name


def named_modality(name: str) -> str | None:
    """Tell by a name alone."""
    return next((m for pattern, m in _BY_NAME if pattern.search(name.lower())), None)
