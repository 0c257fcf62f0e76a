from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import yaml

from napari_stml.io.slides import tile_cache
from napari_stml.widgets.preferences import MB, Preferences, apply, preferences

if TYPE_CHECKING:
    import pytest

MANIFEST = "src/napari_stml/napari.yaml"


def test_defaults_are_those_of_the_manifest(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / MANIFEST).read_text()
    groups = yaml.safe_load(text)["contributions"]["configurations"]
    declared = groups["performance"]["properties"]
    assert groups["person"]["properties"]["author"]["default"] == "", "nobody, not the login"
    ours = Preferences()
    assert declared["tile_cache_mb"]["default"] == ours.tile_cache_mb
    assert declared["worker_threads"]["default"] == ours.worker_threads
    assert declared["device"]["default"] == ours.device
    assert ours.threads is None


def test_what_the_user_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = SimpleNamespace(
        performance=SimpleNamespace(tile_cache_mb=128, worker_threads=3, device="auto"),
        person=SimpleNamespace(author=" AB "),
    )
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda _name: chosen)
    assert preferences() == Preferences(128, 3, "AB", "auto")
    before = tile_cache().max_bytes
    try:
        apply(preferences())
        assert tile_cache().max_bytes == 128 * MB
    finally:
        tile_cache().resize(before)


def test_without_settings_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_name: str) -> None:
        raise KeyError("napari-stml")

    monkeypatch.setattr("napari.settings.get_plugin_settings", unknown)
    assert preferences() == Preferences()
