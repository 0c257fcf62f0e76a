"""Analyses, one file each; a module of this package is found by being here.

Folders whose name begins with an underscore hold parts that analyses share.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from napari_stml.core.analysis import registered

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_all() -> Mapping[str, type[Any]]:
    """Import every analysis of the package and give them all, by name."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)
    return registered()
