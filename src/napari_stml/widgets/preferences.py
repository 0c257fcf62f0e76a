"""What the user set for this plugin in napari's preferences."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20


@dataclass(frozen=True)
class Preferences:
    """Settings of the manifest's ``configurations``; their defaults where napari has none."""

    tile_cache_mb: int = 1024
    worker_threads: int = 0
    author: str = ""
    """Signs edits and regions; never the login of the computer."""
    device: str = "cpu"
    """Of analyses that run networks (those with ``uses_gpu``)."""

    @property
    def threads(self) -> int | None:
        """For the workers; None leaves it to them."""
        return self.worker_threads or None


def preferences() -> Preferences:
    """Read them; a plugin that napari did not discover (a checkout) has the defaults."""
    from napari.settings import get_plugin_settings

    try:
        chosen = get_plugin_settings("napari-stml")
        return Preferences(
            int(chosen.performance.tile_cache_mb), int(chosen.performance.worker_threads),
            str(chosen.person.author).strip(), str(chosen.performance.device),
        )  # fmt: skip
    except (KeyError, AttributeError):
        return Preferences()


def apply(chosen: Preferences) -> None:
    """Let the tile cache have its size."""
    from napari_stml.io.slides import tile_cache

    tile_cache().resize(chosen.tile_cache_mb * MB)
