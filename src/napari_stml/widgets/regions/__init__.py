"""The page "Regions": tools, classes, the list of what is drawn."""

from napari_stml.widgets.regions.page import RegionsPage

__all__ = ["RegionsPage"]
