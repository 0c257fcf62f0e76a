"""Genes that tell groups of spots apart."""
