"""Trained models in a store: safetensors and their card, never pickle.

The bytes of the safetensors file are an array of a one-row table, so that a model is saved,
undone and read by other programs like everything else.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.results import Model
from napari_stml.io.run_parts.plain import plain

if TYPE_CHECKING:
    import anndata as ad

BYTES, CARD = "safetensors", "card"


def as_table(model: Model) -> tuple[ad.AnnData, str]:
    """The table to store, and the hash of the weights."""
    import anndata as ad
    import pandas as pd
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array) for name, array in model.tensors.items()}
    content = save(tensors)
    card = json.dumps(plain(dict(model.card)))
    table = ad.AnnData(
        obs=pd.DataFrame(index=pd.Index(["model"], dtype=object)),
        uns={BYTES: np.frombuffer(content, dtype=np.uint8), CARD: card},
    )
    return table, hashlib.sha256(content).hexdigest()


def from_table(name: str, uns: Any, sha256: str) -> Model:
    """The model as it was; raises when the weights are not those that were stored."""
    from safetensors.numpy import load

    content = np.asarray(uns[BYTES], dtype=np.uint8).tobytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CannotOpenError(
            "The weights of this model were changed", where=name, do="train it again"
        )
    return Model(name, load(content), json.loads(str(uns[CARD])))
