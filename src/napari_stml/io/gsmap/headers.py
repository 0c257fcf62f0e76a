"""Which column of a GWAS file is what: the headers that studies, PLINK, REGENIE and others use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPTIONS = {
    "snp": "SNP", "a1": "A1", "a2": "A2", "info": "INFO", "beta": "BETA", "se": "SE", "p": "P",
    "frq": "FRQ", "n": "N", "z": "Z", "OR": "OR", "se_OR": "SE_OR", "chr": "Chr", "pos": "Pos",
}  # fmt: skip
"""Options of gsMap's ``format_sumstats`` that name a column, and what the column becomes."""

_EXACT = {
    "SNP": "SNP RS RSID RS_NUMBER RS_NUMBERS",
    "P": "P PVALUE P_VALUE PVAL P_VAL GC_PVALUE p",
    "A1": "A1 ALLELE1 ALLELE_1 EFFECT_ALLELE REFERENCE_ALLELE INC_ALLELE EA",
    "A2": "A2 ALLELE2 ALLELE_2 OTHER_ALLELE NON_EFFECT_ALLELE DEC_ALLELE NEA",
    "N": "N WEIGHT",
    "N_CAS": "NCASE CASES_N N_CASE N_CASES N_CAS",
    "N_CON": "N_CONTROLS N_CON NCONTROL CONTROLS_N N_CONTROL",
    "Z": "ZSCORE Z-SCORE GC_ZSCORE Z",
    "OR": "OR",
    "BETA": "B BETA EFFECTS EFFECT b beta",
    "LOG_ODDS": "LOG_ODDS",
    "SE": "SE se",
    "INFO": "INFO Info",
    "FRQ": "EAF FRQ MAF FRQ_U F_U frq_A1 frq freq",
}
"""The spellings gsMap 1.73.8 knows; case matters to it."""

_FURTHER = {
    "SNP": "HM_RSID RSIDS RS_ID SNPID SNP_ID MARKERNAME MARKER VARIANT_ID ID",
    "P": "P-VALUE P_BOLT_LMM P_LINREG",
    "NEG_LOG10_P": "LOG10P NEG_LOG_10_P_VALUE NEG_LOG10_P MLOGP NLOG10P",
    "A1": "HM_EFFECT_ALLELE",
    "A2": "HM_OTHER_ALLELE ALLELE0",
    "REF": "REF",
    "ALT": "ALT",
    "N": "OBS_CT NMISS TOTALSAMPLESIZE N_TOTAL SAMPLE_SIZE SAMPLESIZE",
    "N_CAS": "CASES NCAS N_CASES_TOTAL",
    "N_CON": "CONTROLS NCON N_CONTROLS_TOTAL",
    "Z": "Z_STAT T_STAT STAT Z_SCORE",
    "OR": "HM_ODDS_RATIO ODDS_RATIO",
    "BETA": "HM_BETA EFFECT_SIZE",
    "LOG_ODDS": "LOGOR LOG_OR",
    "SE": "STANDARD_ERROR STDERR STDERROR LOG(OR)_SE SEBETA",
    "SE_OR": "SE_OR",
    "FRQ": "HM_EFFECT_ALLELE_FREQUENCY EFFECT_ALLELE_FREQUENCY A1FREQ A1_FREQ FREQ1 FREQ",
    "Chr": "CHR HM_CHROM CHROMOSOME CHROM #CHROM",
    "Pos": "POS HM_POS BP BASE_PAIR_LOCATION GENPOS POSITION",
}


@dataclass(frozen=True)
class Headers:
    """What becomes of the columns: shown before anything is read.

    Attributes
    ----------
    names
        Column of the file -> what it is; unknown columns are not among them.
    dropped
        Columns that say the same as a better one (``rsid`` beside ``hm_rsid``).
    """

    names: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = field(default=())

    def column(self, name: str) -> str | None:
        return next((column for column, known in self.names.items() if known == name), None)

    def text(self) -> str:
        lines = [f"{column} -> {name}" for column, name in self.names.items()]
        if self.dropped:
            lines.append(f"not used, another column says the same: {', '.join(self.dropped)}")
        if self.unknown:
            lines.append(f"not used: {', '.join(self.unknown)}")
        return "\n".join(lines)


def exact_headers(columns: Sequence[str], given: Mapping[str, str]) -> Headers:
    """As gsMap maps them: case matters, and two columns of one meaning are an error."""
    known = {word: name for name, words in _EXACT.items() for word in words.split()}
    names = {column: known.get(column, column) for column in columns}
    for option, column in given.items():
        if column in names.values():
            renamed = next(c for c, n in names.items() if n == column)
            names[renamed] = OPTIONS[option]
    _once(names)
    return Headers(names)


def usual_headers(columns: Sequence[str], given: Mapping[str, str]) -> Headers:
    """Find the usual columns in any case; columns that were named win over those found.

    Of two columns of one meaning the better known spelling is taken.
    """
    known: dict[str, tuple[int, str]] = {}
    for table in (_EXACT, _FURTHER):
        for name, words in table.items():
            for word in words.split():
                known.setdefault(word.upper(), (len(known), name))
    names = {_asked(columns, column, option): OPTIONS[option] for option, column in given.items()}
    found: dict[str, list[tuple[int, str]]] = {}
    for column in columns:
        rank, name = known.get(column.strip().upper(), (0, ""))
        if name and column not in names:
            found.setdefault(name, []).append((rank, column))
    dropped: list[str] = []
    for name, candidates in found.items():
        best, *others = [column for _, column in sorted(candidates)]
        if name in names.values():
            others = [best, *others]
        else:
            names[best] = name
        dropped += others
    _once(names)
    order = {column: names[column] for column in columns if column in names}
    unknown = tuple(c for c in columns if c not in names and c not in dropped)
    return Headers(order, unknown, tuple(dropped))


def _asked(columns: Sequence[str], column: str, option: str) -> str:
    if column in columns:
        return column
    close = [c for c in columns if c.casefold() == column.casefold()]
    if len(close) == 1:
        return close[0]
    raise StmlError(
        f"There is no column '{column}'", where=f"--{option}",
        do=f"choose one of {', '.join(columns)}",
    )  # fmt: skip


def _once(names: Mapping[str, str]) -> None:
    values = list(names.values())
    for name in dict.fromkeys(values):
        if values.count(name) > 1:
            twice = [c for c, n in names.items() if n == name]
            raise StmlError(
                f"Several columns are {name}: {', '.join(twice)}",
                do=f"name the right one (--{name.lower()}), or remove the others from the file",
            )
