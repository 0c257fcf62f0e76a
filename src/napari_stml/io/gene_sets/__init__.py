"""Gene sets that come with the program, and symbols that were renamed since they were written."""

from __future__ import annotations

from importlib import resources

HALLMARK = "hallmark.gmt"

RENAMED: dict[str, str] = {
    "SEPT9": "SEPTIN9", "SEPT2": "SEPTIN2", "SEPT6": "SEPTIN6", "SEPT7": "SEPTIN7",
    "SEPT11": "SEPTIN11", "DDX58": "RIGI", "H2AFX": "H2AX", "H2AFZ": "H2AZ1", "H2AFV": "H2AZ2",
    "HIST1H2BK": "H2BC12", "HIST1H2AC": "H2AC6", "HIST1H1C": "H1-2", "H1FX": "H1-10",
    "H3F3A": "H3-3A", "H3F3B": "H3-3B", "FAM129A": "NIBAN1", "FAM129B": "NIBAN2",
    "FAM213A": "PRXL2A", "FAM49B": "CYRIB", "CTGF": "CCN2", "CYR61": "CCN1", "NOV": "CCN3",
    "WISP1": "CCN4", "WISP2": "CCN5", "ADSS": "ADSS2", "ADSSL1": "ADSS1", "AARS": "AARS1",
    "GARS": "GARS1", "WARS": "WARS1", "MARS": "MARS1", "HARS": "HARS1", "NARS": "NARS1",
    "SARS": "SARS1", "VARS": "VARS1", "EPRS": "EPRS1", "KARS": "KARS1", "YARS": "YARS1",
    "ATP5A1": "ATP5F1A", "ATP5B": "ATP5F1B", "ATP5C1": "ATP5F1C", "ATP5D": "ATP5F1D",
    "ATP5E": "ATP5F1E", "ATP5F1": "ATP5PB", "ATP5G1": "ATP5MC1", "ATP5G2": "ATP5MC2",
    "ATP5G3": "ATP5MC3", "ATP5H": "ATP5PD", "ATP5J": "ATP5PF", "ATP5J2": "ATP5MF",
    "ATP5L": "ATP5MG", "ATP5O": "ATP5PO", "GNB2L1": "RACK1",
    "TMEM173": "STING1", "PVRL2": "NECTIN2", "GPR56": "ADGRG1",
    "WHSC1": "NSD2", "MLL": "KMT2A", "MLL5": "KMT2E", "FYB": "FYB1", "LOR": "LORICRIN",
}  # fmt: skip
"""Former symbol to present one; a table may have either."""


def hallmark() -> str:
    """The Hallmark sets as the text of a GMT file; NOTICE.md beside it says whose they are."""
    return resources.files(__name__).joinpath(HALLMARK).read_text(encoding="utf-8")


def aliases() -> dict[str, str]:
    """Other names of symbols, both ways."""
    return RENAMED | {new: old for old, new in RENAMED.items()}
