"""Pairs of ligand and receptor that stand in any textbook of cell signalling."""

SIGNALS = (
    ("CXCL12", "CXCR4"), ("CXCL9", "CXCR3"), ("CXCL10", "CXCR3"), ("CXCL13", "CXCR5"),
    ("CCL19", "CCR7"), ("CCL21", "CCR7"), ("CCL5", "CCR5"), ("CCL2", "CCR2"), ("CCL4", "CCR5"),
    ("CCL22", "CCR4"), ("CCL20", "CCR6"), ("CX3CL1", "CX3CR1"), ("IL7", "IL7R"), ("IL15", "IL2RB"),
    ("IL6", "IL6R"), ("IL1B", "IL1R1"), ("CSF1", "CSF1R"), ("CD274", "PDCD1"), ("CD80", "CTLA4"),
    ("CD86", "CD28"), ("TNF", "TNFRSF1A"), ("TNFSF13B", "TNFRSF13B"), ("LTB", "LTBR"),
    ("TGFB1", "TGFBR1"), ("TGFB1", "TGFBR2"), ("TGFB3", "TGFBR2"), ("BMP4", "BMPR1A"),
    ("INHBA", "ACVR1"), ("EGF", "EGFR"), ("AREG", "EGFR"), ("TGFA", "EGFR"), ("HBEGF", "ERBB4"),
    ("NRG1", "ERBB3"), ("HGF", "MET"), ("IGF1", "IGF1R"), ("IGF2", "IGF2R"), ("PDGFA", "PDGFRA"),
    ("PDGFB", "PDGFRB"), ("FGF2", "FGFR1"), ("FGF7", "FGFR2"), ("VEGFA", "KDR"), ("VEGFA", "FLT1"),
    ("VEGFC", "FLT4"), ("ANGPT1", "TEK"), ("ANGPT2", "TEK"), ("KITLG", "KIT"), ("DLL4", "NOTCH1"),
    ("JAG1", "NOTCH1"), ("JAG1", "NOTCH2"), ("WNT5A", "FZD2"), ("SPP1", "CD44"), ("SPP1", "ITGAV"),
    ("FN1", "ITGA5"), ("FN1", "ITGB1"), ("COL1A1", "ITGA2"), ("COL1A1", "DDR1"), ("COL1A2", "DDR2"),
    ("COL4A1", "ITGA1"), ("LAMB1", "ITGA6"), ("THBS1", "CD47"), ("POSTN", "ITGAV"), ("MIF", "CD74"),
    ("APP", "CD74"), ("LGALS9", "HAVCR2"), ("APOE", "LRP1"), ("MDK", "SDC1"), ("PTN", "PTPRZ1"),
    ("SEMA3C", "NRP1"), ("EFNB2", "EPHB4"), ("GAS6", "AXL"), ("RSPO3", "LGR5"), ("PSAP", "GPR37"),
    ("HBEGF", "EGFR"), ("CD40LG", "CD40"), ("FASLG", "FAS"), ("IL10", "IL10RA"), ("IFNG", "IFNGR1"),
    ("CD47", "SIRPA"), ("WNT5A", "FZD5"), ("COL1A1", "ITGA1"), ("PTN", "SDC4"),
)  # fmt: skip
"""A start where the user brings no pairs of their own; not a database."""
