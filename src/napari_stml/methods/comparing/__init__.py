"""Two groups of observations against each other: gene sets, compositions, pooled sections."""
