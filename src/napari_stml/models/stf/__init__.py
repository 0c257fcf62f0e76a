"""The SpatialTranscriptFormer: pathway tokens and spots in one transformer.

Written from a description of the model by B. I. Wilson; its interaction design derives from
SurvPath (Jaume et al., CVPR 2024). All code here is our own.
"""

from __future__ import annotations

from napari_stml.models.stf.config import StfConfig, preset, presets
from napari_stml.models.stf.network import Stf, StfOutput

__all__ = ["Stf", "StfConfig", "StfOutput", "preset", "presets"]
