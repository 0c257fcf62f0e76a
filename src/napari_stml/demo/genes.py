"""Names: markers of the cell types, planted pathways, proteins, and genes that only fill up."""

from __future__ import annotations

from itertools import count

N_GENES = 2400


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MARKERS: dict[str, tuple[str, ...]] = {
    "tumour": _words(
        "ERBB2 GRB7 STARD3 KRT8 KRT18 KRT19 EPCAM CD24 FASN MKI67 TOP2A CDH1 MUC1 GATA3 ESR1 "
        "KRT7 CLDN4 TACSTD2 SCD FOXA1 SPDEF AGR2 CCNB1 BIRC5 PCNA"
    ),
    "epithelial": _words(
        "KRT5 KRT14 KRT15 KRT17 KRT1 KRT10 KRT19 EPCAM SCGB2A2 SCGB1D2 PIP LTF ELF5 KIT SLPI MGP "
        "TFF3 TFF1 AZGP1 ANKRD30A PIGR LCN2 OXTR"
    ),
    "fibroblast": _words(
        "COL1A1 COL1A2 COL3A1 COL5A1 COL6A3 DCN LUM FN1 SPARC VIM FAP PDGFRB POSTN ACTA2 TAGLN "
        "FBLN1 MMP2 THY1 BGN SFRP2 CTHRC1 PDGFRA"
    ),
    "endothelial": _words(
        "PECAM1 VWF CDH5 KDR FLT1 CLDN5 ENG PLVAP ESAM EMCN RAMP2 TEK AQP1 SPARCL1 EGFL7"
    ),
    "T_cell": _words(
        "CD3D CD3E CD3G CD2 CD4 CD8A CD8B PTPRC IL7R TRAC TRBC1 GZMA GZMK NKG7 CCL5 CD27 CCR7 LCK "
        "ICOS CTLA4"
    ),
    "B_cell": _words(
        "MS4A1 CD19 CD79A CD79B CD22 PAX5 BANK1 CD74 HLA-DRA IGKC IGHM IGHG3 CR2 CXCR5 TCL1A "
        "BLK SPIB"
    ),
    "macrophage": _words(
        "CD68 CD163 CSF1R LYZ AIF1 C1QA C1QB C1QC MRC1 MSR1 TYROBP FCER1G CD14 SPP1 APOE CTSD "
        "CD74 HLA-DRA MARCO"
    ),
    "adipocyte": _words(
        "FABP4 ADIPOQ PLIN1 PLIN4 LEP LPL CIDEC CIDEA G0S2 PPARG CD36 LIPE AQP7 GPD1 CFD"
    ),
}

PATHWAYS: dict[str, tuple[str, ...]] = {
    "DEMO_HYPOXIA": _words(
        "PGK1 PDK1 GBE1 PFKL ALDOA ENO2 PGM1 NDRG1 HK2 ALDOC GPI MXI1 SLC2A1 P4HA1 ADM P4HA2 ENO1 "
        "PFKP AK4 FAM162A PFKFB3 VEGFA BNIP3L TPI1 ERO1A KDM3A LDHA ANGPTL4 DDIT4 CA12"
    ),
    "DEMO_INTERFERON": _words(
        "STAT1 ISG15 IFIT1 MX1 IFIT3 IFI35 IRF7 IFIT2 OAS2 TAP1 EIF2AK2 RSAD2 MX2 IRF1 OAS3 IRF9 "
        "CXCL10 IFI44 BST2 XAF1 SP110 OASL PSMB8 IFI44L IFITM3 GBP4 IRF8 PSMB9 CXCL9 IDO1"
    ),
    "DEMO_MATRIX": _words(
        "COL5A2 FBN1 COL4A1 COL4A2 VCAN IGFBP3 TGFBI SERPINE1 LAMC1 LOX LAMC2 COL7A1 LOXL2 COL6A2 "
        "ITGAV THBS2 COL16A1 NNMT TPM1 CDH2 COL11A1 THBS1 SERPINH1 FSTL1 TNC NID2 ITGB5 LOXL1 "
        "FBLN5 COL12A1"
    ),
    "DEMO_OESTROGEN": _words(
        "GREB1 MYB ANXA9 IGFBP4 SYBU NPY1R PDZK1 NRIP1 MLPH EGR3 LRIG1 KDM4B PGR RHOBTB3 TPD52L1 "
        "ELOVL2 RET TPBG MAPT SCNN1A ABAT FLNB XBP1 CELSR2 RAB31 MYBL1 MREG STC2 SIAH2 WFS1"
    ),
    "DEMO_ADIPOGENESIS": _words(
        "DGAT1 CPT2 GPAM ADIPOR2 ACAA2 ETFB ACOX1 ACADM HADH IDH1 SORBS1 ACADS SCP2 DECR1 TALDO1 "
        "MCCC1 REEP5 PHYH PIM3 GPD2 ECHS1 QDPR CS ECH1 ACADL TOB1 CRAT CAVIN2 PEMT ACLY"
    ),
}
N_NULL_PATHWAYS = 5

PROTEINS: dict[str, str] = {
    "HER2": "tumour", "EPCAM": "tumour", "KRT8": "tumour", "PCNA": "tumour", "ECAD": "tumour",
    "KRT5": "epithelial", "KRT14": "epithelial", "P63": "epithelial",
    "VIM": "fibroblast", "FAP": "fibroblast", "PDPN": "fibroblast", "SMA": "fibroblast",
    "CD31": "endothelial", "CD34": "endothelial", "CD3": "T_cell", "CD4": "T_cell",
    "CD8": "T_cell", "CD45RO": "T_cell", "PD1": "T_cell", "CD19": "B_cell", "CD20": "B_cell",
    "CD21": "B_cell", "HLA-DR": "B_cell", "CD68": "macrophage", "CD163": "macrophage",
    "CD14": "macrophage", "FABP4": "adipocyte", "PLIN1": "adipocyte", "IgG1_control": "",
    "IgG2a_control": "",
}  # fmt: skip
"""Each protein and the cell type that carries it."""

_OTHERS = _words(
    "MLANA PMEL TYRP1 TYR DCT MITF S100B SOX10 GNAS B2M ACTB GAPDH EEF1A1 TPT1 FTH1 FTL UBC TMSB4X "
    "MYL6 HSP90AA1 HSPA8 CALM1 NPM1 CFL1 PFN1 TUBA1B ARPC2 COX7C ATP5F1E XIST MALAT1 NEAT1 "
    "MT-ND1 MT-ND2 MT-ND3 MT-ND4 MT-ND5 MT-CO1 MT-CO2 MT-CO3 MT-CYB MT-ATP6 CD44 EGFR MYC TP53 "
    "CDKN1A CCND1 BCL2 STAT3 JUN FOS"
)
_FAMILIES = (
    ("RPL", 41), ("RPS", 29), ("PSMA", 8), ("PSMB", 11), ("NDUFA", 13), ("EIF3", 0), ("KIF", 27),
    ("SLC25A", 53), ("SLC35F", 6), ("TMEM", 260), ("CCDC", 190), ("ANKRD", 63), ("FBXO", 48),
    ("RAB", 43), ("USP", 54), ("WDR", 97), ("LRRC", 75), ("KLHL", 42), ("PCDHB", 16), ("ZNF", 0),
)  # fmt: skip


def gene_names() -> tuple[str, ...]:
    """All genes, unique, in one fixed order."""
    names = dict.fromkeys(g for group in MARKERS.values() for g in group)
    names |= dict.fromkeys(g for group in PATHWAYS.values() for g in group)
    names |= dict.fromkeys(_OTHERS)
    for family, size in _FAMILIES:
        names |= dict.fromkeys(f"{family}{i}" for i in range(1, size + 1))
    for i in count(7):
        if len(names) >= N_GENES:
            break
        names.setdefault(f"ZNF{i}")
    return tuple(names)[:N_GENES]
