"""Parts of the analyses of regions: groups and features."""
