"""The package as a whole: what importing it costs, what its manifest names, who knows whom."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import napari_stml

ROOT = Path(__file__).parents[1]
HEAVY = {
    "anndata", "pandas", "dask", "zarr", "spatialdata", "torch", "scanpy", "squidpy", "sklearn",
    "timm", "matplotlib",
}  # fmt: skip
MANIFEST = yaml.safe_load((ROOT / "napari.yaml").read_text())


def modules_after(code: str) -> set[str]:
    listing = f"{code}\nimport sys; print(' '.join(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["napari_stml", "napari_stml.cli", "napari_stml.plugin"],
)
def test_what_napari_imports_at_start_is_light(module: str) -> None:
    found = modules_after(f"import {module}")
    assert not found & HEAVY
    assert "qtpy" not in found


def test_reading_a_strangers_path_stays_light(tmp_path: Path) -> None:
    stranger = tmp_path / "notes.txt"
    stranger.write_text("not ours")
    code = (
        f"from napari_stml.plugin import get_reader; assert get_reader({str(stranger)!r}) is None"
    )
    assert not modules_after(code) & (HEAVY - {"zarr", "dask"})


def test_every_command_of_the_manifest_exists_in_a_light_module() -> None:
    import importlib

    for command in MANIFEST["contributions"]["commands"]:
        module, name = command["python_name"].split(":")
        assert module == "napari_stml.plugin"
        assert callable(getattr(importlib.import_module(module), name))


def test_the_root_manifest_is_the_packaged_one() -> None:
    packaged = ROOT / "src" / "napari_stml" / "napari.yaml"
    assert (ROOT / "napari.yaml").resolve() == packaged.resolve()


def test_version_is_one() -> None:
    assert napari_stml.__version__ == metadata.version("napari-stml")


def test_section_is_the_public_name() -> None:
    from napari_stml import Section

    assert Section.open.__doc__
    with pytest.raises(AttributeError, match="no attribute"):
        _ = napari_stml.Nothing  # type: ignore[attr-defined]
