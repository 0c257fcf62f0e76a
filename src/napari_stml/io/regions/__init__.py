"""Where drawn regions lie: shapes of the store, the journal of edits, files of others."""

from napari_stml.io.regions.keeper import Offer, RegionKeeper

__all__ = ["Offer", "RegionKeeper"]
