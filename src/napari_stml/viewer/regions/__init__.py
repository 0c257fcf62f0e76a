"""Drawn regions on the canvas: the picture of all, the sketch of one, tools, and the desk."""
