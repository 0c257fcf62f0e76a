"""What a bring-in tells the user: what was joined and what was not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 5


@dataclass(frozen=True)
class BringInReport:
    """The join in numbers and examples.

    Attributes
    ----------
    matched
        Observations of the section that got a row of the file.
    unmatched_in_file, unmatched_in_section
        Rows without an observation, observations without a row.
    duplicates
        Barcodes that occur several times with different values; they stay without a value.
    treatment
        What was done to the barcodes before they were compared, in words.
    """

    source: str
    barcode_column: str
    treatment: str
    matched: int
    unmatched_in_file: int
    unmatched_in_section: int
    duplicates: int = 0
    examples_in_file: tuple[str, ...] = ()
    examples_in_section: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.unmatched_in_file or self.unmatched_in_section or self.duplicates)

    def text(self) -> str:
        """The report in sentences."""
        total = self.matched + self.unmatched_in_section
        lines = [
            f"{self.matched:,} of {total:,} observations got a value from {self.source}.",
            f"Barcodes: {self.barcode_column}, {self.treatment}.",
        ]
        if self.unmatched_in_file:
            lines.append(
                f"{self.unmatched_in_file:,} rows of the file belong to no observation"
                f"{_such_as(self.examples_in_file)}."
            )
        if self.unmatched_in_section:
            lines.append(
                f"{self.unmatched_in_section:,} observations stay without a value"
                f"{_such_as(self.examples_in_section)}."
            )
        if self.duplicates:
            lines.append(
                f"{self.duplicates:,} barcodes occur several times with different values and "
                "were left out."
            )
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class BroughtIn:
    """Values at the section's observations, in their order; missing where the file has none."""

    values: pd.DataFrame
    report: BringInReport


def _such_as(examples: tuple[str, ...]) -> str:
    return f", for example {', '.join(examples)}" if examples else ""
