"""Figures for print and the report of a section; no screen is needed."""
