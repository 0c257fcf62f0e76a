"""z and the number of people, from whatever columns a study gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray


def z_of_p(p: NDArray[np.float64], beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two-sided p turned back into a z with the sign of the effect; an effect of 0 gives +."""
    from scipy.stats import chi2

    size = np.sqrt(chi2.isf(p, 1))
    return np.asarray(np.where(beta >= 0, size, -size), dtype=np.float64)


def with_n(
    table: pd.DataFrame, given: int | None, *, parity: bool, where: Path
) -> tuple[pd.DataFrame, list[str]]:
    """N: the number that was given, the column, or cases and controls together."""
    if given is not None:
        return table.assign(N=given), []
    if "N" in table:
        return table, []
    if parity or not {"N_CAS", "N_CON"} <= set(table.columns):
        raise StmlError(
            "The number of people is missing", where=where,
            do="name its column (--n COLUMN) or give the number itself (--n 55555)",
        )  # fmt: skip
    return table.assign(N=table["N_CAS"] + table["N_CON"]), ["N is cases and controls together"]


def with_z(table: pd.DataFrame, *, parity: bool, where: Path) -> tuple[pd.DataFrame, list[str]]:
    """Z: its column; else of P with the sign of the effect; else effect / standard error."""
    notes: list[str] = []
    if not parity:
        table, notes = _with_effects(table)
    if "OR" in table and "SE_OR" in table:
        table, said = _of_odds_ratio(table, parity=parity)
        notes += said
    if "Z" in table:
        return table, notes
    if "P" in table and "BETA" in table:
        p = table["P"].to_numpy(dtype=np.float64)
        beta = table["BETA"].to_numpy(dtype=np.float64)
        z = z_of_p(p, beta)
        if not parity and "SE" in table and (p == 0).any():
            se = table["SE"].to_numpy(dtype=np.float64)
            z = np.where(p == 0, beta / se, z)
            notes.append(f"{int((p == 0).sum())} rows with p = 0: z is effect / standard error")
        return table.assign(Z=z), notes
    if "BETA" in table and "SE" in table:
        return table.assign(Z=table["BETA"] / table["SE"]), notes
    raise StmlError(
        "There is no effect: z needs a Z column, P with an effect or odds ratio, or an effect "
        "with its standard error", where=where,
        do="name the columns (--z, --p, --beta, --se, --OR)",
    )  # fmt: skip


def _with_effects(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """What gsMap does not derive: P of -log10 P, an effect of OR or log odds, A2 of REF and ALT."""
    notes = []
    if "P" not in table and "NEG_LOG10_P" in table:
        table = table.assign(P=10.0 ** -table["NEG_LOG10_P"])
        notes.append("P is 10 to the minus of the column of -log10 P")
    if "BETA" not in table and "LOG_ODDS" in table:
        table = table.assign(BETA=table["LOG_ODDS"])
        notes.append("the effect is the log odds")
    if "BETA" not in table and "OR" in table and "SE_OR" not in table:
        ratio = table["OR"].where(table["OR"] > 0)
        table = table.assign(BETA=np.log(ratio))
        notes.append("the effect is the logarithm of the odds ratio")
    if {"REF", "ALT"} <= set(table.columns):
        if "A1" not in table:
            table = table.assign(A1=table["ALT"], A2=table["REF"])
            notes.append("the effect allele is ALT")
        elif "A2" not in table:
            other = table["REF"].where(table["A1"] != table["REF"], table["ALT"])
            table = table.assign(A2=other)
            notes.append("the other allele is what A1 is not of REF and ALT")
    return table, notes


def _of_odds_ratio(table: pd.DataFrame, *, parity: bool) -> tuple[pd.DataFrame, list[str]]:
    """Effect and error of OR and SE_OR; gsMap takes SE_OR as exponentiated, whatever it is."""
    ratio = table["OR"].where(table["OR"] > 0)
    se = table["SE_OR"]
    exponentiated = parity or bool((se.dropna() >= 1).all())
    error = np.log(se.where(se > 0)) if exponentiated else se / ratio
    said = "the logarithm of SE_OR" if exponentiated else "SE_OR / OR"
    notes = [] if parity else [f"the effect is the logarithm of the odds ratio, its error {said}"]
    return table.assign(BETA=np.log(ratio), SE=error), notes
