"""Um per pixel out of what files say, most trusted statement first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_stml.core.geometry import ScaleSource, UmPerPx

if TYPE_CHECKING:
    from collections.abc import Mapping

UM_PER_UNIT: Mapping[str, float] = {
    "m": 1e6, "metre": 1e6, "meter": 1e6,
    "dm": 1e5,
    "cm": 1e4, "centimetre": 1e4, "centimeter": 1e4,
    "mm": 1e3, "millimetre": 1e3, "millimeter": 1e3,
    "um": 1.0, "µm": 1.0, "μm": 1.0,
    "micron": 1.0, "microns": 1.0, "micrometre": 1.0, "micrometer": 1.0,
    "nm": 1e-3, "nanometre": 1e-3, "nanometer": 1e-3,
    "å": 1e-4, "angstrom": 1e-4,
    "in": 25400.0, "inch": 25400.0,
}  # fmt: skip

Scale = UmPerPx | None


def given(um_per_px: float | tuple[float, float] | UmPerPx | None) -> Scale:
    """Return what the user typed: believed as it is."""
    if um_per_px is None or isinstance(um_per_px, UmPerPx):
        return um_per_px
    x, y = um_per_px if isinstance(um_per_px, tuple) else (um_per_px, um_per_px)
    return UmPerPx(float(x), float(y), ScaleSource.USER)


def stated(
    x: object, y: object, source: ScaleSource, *, unit: str = "um", unit_y: str | None = None
) -> Scale:
    """Return a file's statement, or None where it is no number or cannot be a slide's."""
    factors = [UM_PER_UNIT.get(u.strip().lower(), 0.0) for u in (unit, unit_y or unit)]
    try:
        value = UmPerPx(float(str(x)) * factors[0], float(str(y)) * factors[1], source)
    except ValueError:
        return None
    return value if value.plausible else None


def from_resolution(x: object, y: object, unit: str, source: ScaleSource) -> Scale:
    """From pixels per unit, as TIFF tags have it."""
    try:
        return stated(1 / float(str(x)), 1 / float(str(y)), source, unit=unit)
    except (ValueError, ZeroDivisionError):
        return None


def from_objective(power: object) -> Scale:
    """10 um per pixel divided by the power: right within a fifth, hence only a guess."""
    try:
        value = float(str(power))
    except ValueError:
        return None
    return stated(10 / value, 10 / value, ScaleSource.OBJECTIVE) if value > 0 else None


def aperio(description: str) -> tuple[Scale, Scale]:
    """Um per pixel and the objective's guess out of an Aperio image description."""
    fields = dict(re.findall(r"\|\s*([\w ]+?)\s*=\s*([^|\r\n]*)", description))
    mpp = fields.get("MPP")
    return stated(mpp, mpp, ScaleSource.VENDOR), from_objective(fields.get("AppMag"))


def first(*candidates: Scale) -> Scale:
    return next((c for c in candidates if c is not None), None)
