"""Sections, selections and Runs as files of other programs."""

from napari_stml.io.take_out.flat import to_csv, to_parquet
from napari_stml.io.take_out.h5ad import ImageForSpots, TakenOut, to_h5ad

__all__ = ["ImageForSpots", "TakenOut", "to_csv", "to_h5ad", "to_parquet"]
