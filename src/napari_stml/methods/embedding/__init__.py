"""Fewer numbers per spot: principal components, and maps in two dimensions."""
