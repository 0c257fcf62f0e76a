"""Parts of the clusters: sweep and live view."""
