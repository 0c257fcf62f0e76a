"""The files, and a section with an embedding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))

from gsmap_files import Files, write_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, toy: Any) -> Files:
    genes = [g for g in toy.genes if not g.startswith("MT-")]
    marks = [g for g in genes if g.startswith("IG")]
    return write_files(tmp_path_factory.mktemp("gwas") / "files", genes, marks)


@pytest.fixture
def embedded(toy: Any) -> Any:
    space = np.eye(3)[toy.domain] + 0.1 * np.random.default_rng(1).normal(size=(256, 3))
    return toy.with_(embeddings={"X_space": space})
