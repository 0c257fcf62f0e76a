from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from napari_stml.viewer.siblings import Siblings


def section(reads: list[str]) -> Any:
    kinds = {"T_p": "Values", "T_z": "Values", "domain": "Labels", "genes": "Table"}
    entries = tuple(SimpleNamespace(name=n, kind=k) for n, k in kinds.items())
    columns = {
        "gsmap-1/T_p": pd.Series([1.0, np.nan]), "gsmap-1/T_z": pd.Series([2.5, np.nan]),
        "gsmap-1/domain": pd.Series(pd.Categorical(["core", None])),
    }  # fmt: skip

    def values(name: str) -> pd.Series:
        reads.append(name)
        return columns[name]

    shelf = SimpleNamespace(records={"gsmap-1": None}, entries=lambda run: entries)
    return SimpleNamespace(shelf=shelf, values=values)


def test_the_other_values_of_the_run_are_told_and_read_once() -> None:
    reads: list[str] = []
    siblings = Siblings(section(reads))
    assert siblings.words("gsmap-1/T_p", 0) == "T_z: 2.5   domain: core"
    assert siblings.words("gsmap-1/T_p", 1) == "T_z: no value   domain: no value"
    assert reads == ["gsmap-1/T_z", "gsmap-1/domain"]
    assert siblings.words("score", 0) == ""
    assert siblings.words("lost-1/x", 0) == ""
