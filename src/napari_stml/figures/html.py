"""HTML whose texts cannot become markup."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from napari_stml.figures.lettering import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDE = 4000


class Markup(str):
    """Finished HTML; a plain ``str`` is text and gets escaped."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """Make an element; ``class_`` is the attribute class. Attribute values are escaped too."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"'
        for key, value in attributes.items()
    )
    inside = "".join(escaped(child) for child in children)
    return Markup(f"<{name}{said}>{inside}</{name}>")


def escaped(text: str) -> Markup:
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(plain(text, WIDE), quote=True))


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...] = (), **attributes: str) -> Markup:
    """Rows of texts; without a head the first cell of each row names it."""
    top = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in head))) if head else ""
    body = []
    for first, *rest in rows:
        named = tag("td", first) if head else tag("th", first, scope="row")
        body.append(tag("tr", named, *(tag("td", cell) for cell in rest)))
    return tag("table", Markup(top), tag("tbody", *body), **attributes)


def listed(items: Iterable[str]) -> Markup:
    return tag("ul", *(tag("li", item) for item in items))


def picture(data: bytes, kind: str, text: str, *, width_mm: float) -> Markup:
    """Embed a picture as an image, in which no script of an SVG runs."""
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Markup(
        f'<img src="{address}" alt="{html.escape(plain(text, WIDE), quote=True)}" '
        f'style="width:{width_mm:g}mm">'
    )
