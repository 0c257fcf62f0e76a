"""Every test runs in a home of its own: no user settings are read or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no timing", deadline=None)
settings.load_profile("no timing")

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    os.environ["NAPARI_CONFIG"] = str(home / "napari.yaml")
    os.environ["STML_DATA_HOME"] = str(home / "data")
    os.environ["STML_CACHE_HOME"] = str(home / "cache")


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{variable} is not set and {default.name}/ is absent: reference data missing")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real sections (STML_DATA)."""
    return _folder("STML_DATA", REFERENCE / "data")


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of reference numbers (STML_ORACLES)."""
    return _folder("STML_ORACLES", REFERENCE / "oracles")
