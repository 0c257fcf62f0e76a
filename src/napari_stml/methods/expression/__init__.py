"""Counts and what is computed on them before anything spatial: quality, normalising, scores."""
