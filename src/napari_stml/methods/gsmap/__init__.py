"""gsMap: which spots express the genes near which a trait's heritability lies.

Song et al. 2025 (doi:10.1038/s41586-025-08757-x); numbers as in release 1.73.8.
"""
