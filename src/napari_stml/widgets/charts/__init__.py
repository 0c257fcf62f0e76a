"""Declarative charts drawn in the dock, linked with the canvas in both directions."""

from __future__ import annotations

from napari_stml.widgets.charts.view import ChartView

__all__ = ["ChartView"]
