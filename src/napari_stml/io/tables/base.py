"""What a table is: observations x variables, read piece by piece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from scipy.sparse import csr_matrix

FloatVector = NDArray[np.float32]


class Table(ABC):
    """An AnnData-shaped table that loads nothing before it is asked.

    The order of rows is the table's own; `Section` joins tables to observations by name.

    Attributes
    ----------
    name
        The modality shown to the user ("RNA", "protein", or the store's table name).
    source
        Path and inner key, for messages and provenance.
    """

    name: str
    source: str

    @property
    @abstractmethod
    def obs_names(self) -> NDArray[np.object_]: ...

    @property
    @abstractmethod
    def var_names(self) -> NDArray[np.object_]: ...

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.obs_names), len(self.var_names)

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the obs columns."""

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def obsm_keys(self) -> tuple[str, ...]: ...

    @property
    def obsp_keys(self) -> tuple[str, ...]:
        """Matrices between observations."""
        return ()

    @abstractmethod
    def column(self, name: str) -> pd.Series[Any]:
        """One obs column; text comes as a categorical, missing stays missing."""

    def is_category(self, name: str) -> bool:
        """Whether an obs column holds text or categories rather than numbers."""
        return hasattr(self.column(name).dtype, "categories")

    @abstractmethod
    def var(self) -> pd.DataFrame: ...

    @abstractmethod
    def obsm(self, key: str) -> NDArray[Any]:
        """One obsm entry as a dense array (n, k); names of its columns via `obsm_names`."""

    @abstractmethod
    def obsm_names(self, key: str) -> tuple[str, ...]:
        """Column names of an obsm entry ("0", "1", ... where it has none)."""

    @abstractmethod
    def uns(self, key: str) -> Any:
        """One entry of uns; KeyError where absent."""

    @abstractmethod
    def gene(self, name: str, layer: str | None = None) -> FloatVector:
        """One variable over all observations, dense, without loading the matrix."""

    @abstractmethod
    def genes(self, names: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        """Several variables, dense (n, k)."""

    @abstractmethod
    def rows(self, index: NDArray[np.intp], layer: str | None = None) -> csr_matrix:
        """Some observations over all variables, in the order asked for."""

    @abstractmethod
    def to_anndata(self, index: NDArray[np.intp] | None = None) -> ad.AnnData:
        """The whole table, or some rows of it, in memory."""

    @abstractmethod
    def close(self) -> None: ...
