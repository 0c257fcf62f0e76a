"""Whether a wish is already fulfilled: a stored Run that is complete and valid.

Nothing is taken over by its name. The inputs are read and their content is signed; only a Run of
the same analysis, values, scope, seed, threads, device, code version and input content counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_stml.core.run_record import RunRecord, now, versions
from napari_stml.core.scope import Scope
from napari_stml.runs.desk import analysis_class
from napari_stml.runs.inputs import resolve_section

if TYPE_CHECKING:
    from napari_stml.io.shelf import Shelf
    from napari_stml.runs.desk import Wish

KINDS = ("tables", "images", "labels", "points", "shapes")
"""Where an element of a Run may lie in its store."""

CODE = "napari-stml"


def standing(wish: Wish) -> RunRecord | None:
    """The newest stored Run that is what this wish asks for."""
    shelves = [section.shelf for section in wish.sections]
    first = shelves[0]
    if first is None:
        return None
    asked = _asked(wish)
    alike = [r for r in first.records.values() if _alike(r, asked)]
    if not alike:
        return None
    signed = asked.model_copy(update={"inputs": input_signatures(wish)})
    for record in reversed(alike):
        if record.signature_text == signed.signature_text and all(
            shelf is not None and whole(shelf, record.id) for shelf in shelves
        ):
            return record
    return None


def input_signatures(wish: Wish) -> dict[str, str]:
    """The content of all inputs, signed as the record of a Run signs it."""
    wanted = analysis_class(wish.analysis)().needs(wish.params)
    scopes = wish.scopes or tuple(Scope() for _ in wish.sections)
    found: dict[str, str] = {}
    for section, scope in zip(wish.sections, scopes, strict=True):
        resolved = resolve_section(section, section.shelf, wanted, scope)
        found |= {f"{section.name}/{name}": s for name, s in resolved.signatures.items()}
    return found


def whole(shelf: Shelf, run_id: str) -> bool:
    """Whether a Run came to its end and all its elements are still there."""
    record = shelf.records.get(run_id)
    if record is None or record.state != "done":
        return False
    return all(
        any((shelf.store / kind / entry.element / "zarr.json").exists() for kind in KINDS)
        for entry in record.parts
        if entry.element
    )


def _asked(wish: Wish) -> RunRecord:
    """The record that fulfilling the wish would leave, as far as it is known before."""
    return RunRecord(
        id="",
        analysis=wish.analysis,
        title="",
        params=wish.params.model_dump(mode="json"),
        live=wish.live.model_dump(mode="json") if wish.live else {},
        seed=wish.seed,
        threads=wish.threads,
        device=wish.device,
        scope=(wish.scopes[0] if wish.scopes else Scope()).record(),
        sections=tuple(section.name for section in wish.sections),
        started=now(),
        versions=versions(),
    )


def _alike(stored: RunRecord, asked: RunRecord) -> bool:
    """All that can be compared without reading the inputs."""
    return (
        stored.model_copy(update={"inputs": {}}).signature_text == asked.signature_text
        and stored.device == asked.device
        and stored.sections == asked.sections
        and stored.versions.get(CODE) == asked.versions.get(CODE)
    )
