"""The stored Runs of one section: records, values, regions - read in any process."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Region
from napari_stml.core.results import Labels, Values
from napari_stml.core.run_record import PartEntry, RunRecord
from napari_stml.io.run_parts import IN_SCOPE, read_part
from napari_stml.io.store.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from napari_stml.core.results import Part

REGIONS = "stml.regions"
"""The shapes element that keeps what the user drew."""


class Shelf:
    """Reads a store's Runs without its lock: what is published never changes in place.

    Parameters
    ----------
    section
        The section that is looked at, where the store holds several (``siblings`` names them).
        A name that is not among the siblings is that of a section renamed since.
    """

    def __init__(self, store: Path, section: str = "", siblings: tuple[str, ...] = ()) -> None:
        self.store = Path(store)
        self._others = frozenset(siblings) - {section}

    @cached_property
    def records(self) -> Mapping[str, RunRecord]:
        """All Runs by id, oldest first."""
        attributes = json.loads((self.store / "zarr.json").read_text()).get("attributes", {})
        texts = attributes.get("stml", {}).get("runs", {})
        return {i: RunRecord.model_validate_json(_text(t)) for i, t in texts.items()}

    @property
    def undone(self) -> tuple[str, ...]:
        """Runs that were undone and can be brought back, oldest first."""
        return Layout(self.store).undone_runs()

    def entries(self, run: str) -> tuple[PartEntry, ...]:
        """What a Run left for this section, and for the Run as a whole."""
        return tuple(e for e in self.records[run].parts if e.section not in self._others)

    def members(self, run: str) -> tuple[str, ...] | None:
        """Names of the observations that a Run saw; None when it saw all, or it was not kept."""
        import anndata as ad
        import zarr

        kept = [t for s, t in self.records[run].members.items() if s not in self._others]
        for element in dict.fromkeys([*kept, *(e.element for e in self.entries(run))]):
            folder = self.store / "tables" / element
            if not element or not folder.exists():
                continue
            obs = ad.io.read_elem(zarr.open_group(folder, mode="r", use_consolidated=False)["obs"])
            if IN_SCOPE in obs:
                return tuple(str(n) for n in obs.index[obs[IN_SCOPE].to_numpy(dtype=bool)])
        return None

    def part(self, run: str, name: str) -> Part:
        """One value of a Run."""
        record = self.records.get(run)
        if record is None:
            raise StmlError(
                f"There is no Run '{run}'", where=self.store.name,
                do="it was undone, or belongs to another section",
            )  # fmt: skip
        for entry in self.entries(run):
            if entry.name == name:
                return read_part(self.store, entry)
        raise StmlError(
            f"The Run '{run}' has no value '{name}'", where=self.store.name,
            do=f"it has {', '.join(e.name for e in self.entries(run)) or 'none of this section'}",
        )  # fmt: skip

    def columns(self) -> tuple[str, ...]:
        """Values and labels per observation as ``<run id>/<name>``, newest Run first."""
        return tuple(
            f"{run}/{entry.name}"
            for run in reversed(list(self.records))
            for entry in self.entries(run)
            if entry.kind in {"Values", "Labels"}
        )

    def series(self, name: str, index: pd.Index[Any]) -> pd.Series[Any]:
        """One of `columns` at the observations."""
        import pandas as pd

        run, _, value = name.partition("/")
        part = self.part(run, value)
        if isinstance(part, Labels):
            categories = pd.Index(part.categories, dtype=object)
            codes = pd.Categorical.from_codes(part.codes.tolist(), categories)
            return pd.Series(codes, index=index, name=name)
        if isinstance(part, Values):
            numbers = pd.Series(part.values, index=index, name=name)
            numbers.attrs |= {"scale": part.scale, "unit": part.unit}
            return numbers
        raise StmlError("This value is not one per observation", where=name)

    def regions(self) -> tuple[Region, ...]:
        """What the user drew, in reference pixels."""
        path = self.store / "shapes" / REGIONS / "shapes.parquet"
        if not path.exists():
            return ()
        import geopandas as gpd
        import shapely

        frame = gpd.read_parquet(path)
        if "section" in frame and self._others:
            frame = frame[~frame["section"].isin(self._others)]
        kinds = frame["class"].astype(str) if "class" in frame else [""] * len(frame)
        names = frame["name"].astype(str) if "name" in frame else [""] * len(frame)
        return tuple(
            Region(bytes(shapely.to_wkb(g)), k, n)
            for g, k, n in zip(frame.geometry, kinds, names, strict=True)
        )


def _text(stored: object) -> str:
    return stored if isinstance(stored, str) else json.dumps(stored)
