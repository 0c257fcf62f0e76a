"""Synthetic sections with planted truth, to look at, to learn on and to score analyses with."""

from __future__ import annotations

from napari_stml.demo.make import DEMO_VERSION, DemoPaths, make_demo

__all__ = ["DEMO_VERSION", "DemoPaths", "make_demo"]
