"""Values made elsewhere, joined to a section's observations by barcode.

Every function is pure: it reads a file and returns values in the order of the names it was
given, with a report of what did not match. Nothing is written.
"""

from napari_stml.io.bring_in.columns import bring_in_categories, bring_in_scores
from napari_stml.io.bring_in.embeddings import bring_in_embedding
from napari_stml.io.bring_in.gene_lists import GeneLists, bring_in_genes
from napari_stml.io.bring_in.proportions import bring_in_proportions
from napari_stml.io.bring_in.report import BringInReport, BroughtIn

__all__ = [
    "BringInReport",
    "BroughtIn",
    "GeneLists",
    "bring_in_categories",
    "bring_in_embedding",
    "bring_in_genes",
    "bring_in_proportions",
    "bring_in_scores",
]
