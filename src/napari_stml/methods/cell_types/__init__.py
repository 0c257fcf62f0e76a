"""Cell types from scores of marker genes, and names mapped through a dictionary."""
