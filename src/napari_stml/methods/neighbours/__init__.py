"""Who is next to whom: in expression (nearest neighbours) and on the tissue (lattice, um)."""
