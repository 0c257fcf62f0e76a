"""Rules in words: ``ERBB2 > 2 and domain = tumour`` -> which observations fulfil it.

Grammar (words in any case)::

    rule   = part {"or" part}          part = one {"and" one}
    one    = "not" one | "(" rule ")" | test
    test   = name ("=" | "!=" | "<" | "<=" | ">" | ">=") value
           | name "in" "(" value {"," value} ")"  |  name "is" ["not"] "missing"

Names and texts with blanks or signs stand in quotes ('HLA-DRA' needs none). A missing value
fulfils no test but "is missing", nor does ``not`` turn it into one that does.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Mask = NDArray[np.bool_]
Truth = tuple[Mask, Mask]
"""What is known to be true and what is known to be false."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*'|`[^`]*`)|(?P<sign><=|>=|!=|<>|==|[=<>(),])"""
    r"""|(?P<word>[^\s"'`<>=!(),]+))"""
)
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SAME = {"==": "=", "<>": "!="}
_RESERVED = frozenset({"and", "or", "not", "in", "is", "missing"})


class RuleError(StmlError):
    """A rule that cannot be understood, or asks a column for what it has not."""

    def __init__(self, what: str, *, where: object = "", do: str = "", position: int = 0) -> None:
        super().__init__(what, where=where, do=do)
        self.position = position


@dataclass(frozen=True)
class Rule:
    """A parsed rule; ``names`` are the columns and genes it asks for."""

    text: str
    names: tuple[str, ...]
    _root: _Node

    def mask(self, values: Mapping[str, Any]) -> Mask:
        """Which observations fulfil it; ``values`` holds a pandas Series or array per name."""
        return self._root.truth(values)[0]


@dataclass(frozen=True)
class _Test:
    name: str
    sign: str
    wanted: tuple[str, ...]
    position: int

    def truth(self, values: Mapping[str, Any]) -> Truth:
        column = values[self.name]
        if isinstance(getattr(column, "dtype", None), np.dtype) and column.dtype.kind in "biuf":
            return self._numbers(np.asarray(column, dtype=np.float64))
        texts, missing = _texts(column)
        if self.sign == "missing":
            return missing, ~missing
        if self.sign in _SIGNS:
            raise RuleError(
                f"'{self.name}' holds text, which is neither larger nor smaller than "
                f"{self.wanted[0]}",
                where=f"at character {self.position + 1}", do="use = or in (...)",
                position=self.position,
            )  # fmt: skip
        found = np.isin(texts, self.wanted) & ~missing
        found = found if self.sign == "=" else ~found & ~missing
        return found, ~found & ~missing

    def _numbers(self, numbers: NDArray[np.float64]) -> Truth:
        missing = ~np.isfinite(numbers)
        if self.sign == "missing":
            return missing, ~missing
        try:
            wanted = [float(w) for w in self.wanted]
        except ValueError:
            raise RuleError(
                f"'{self.name}' holds numbers; '{', '.join(self.wanted)}' is none",
                where=f"at character {self.position + 1}", do=f"write {self.name} > 2, say",
                position=self.position,
            ) from None  # fmt: skip
        if self.sign in _SIGNS:
            found = _SIGNS[self.sign](numbers, wanted[0]) & ~missing
        else:
            found = np.isin(numbers, wanted) & ~missing
            found = found if self.sign == "=" else ~found & ~missing
        return found, ~found & ~missing


@dataclass(frozen=True)
class _Not:
    inner: _Node

    def truth(self, values: Mapping[str, Any]) -> Truth:
        true, false = self.inner.truth(values)
        return false, true


@dataclass(frozen=True)
class _Both:
    left: _Node
    right: _Node
    all_of: bool

    def truth(self, values: Mapping[str, Any]) -> Truth:
        (a, not_a), (b, not_b) = self.left.truth(values), self.right.truth(values)
        return (a & b, not_a | not_b) if self.all_of else (a | b, not_a & not_b)


_Node = _Test | _Not | _Both


def parse(text: str) -> Rule:
    """Understand a rule, or raise `RuleError` that says at which character it went wrong."""
    reader = _Reader(text)
    root = reader.rule()
    reader.end()
    return Rule(text.strip(), tuple(dict.fromkeys(reader.names)), root)


@dataclass(frozen=True)
class _Token:
    text: str
    kind: str
    position: int

    @property
    def word(self) -> str:
        """The reserved word or sign it stands for; quoted text stands for itself only."""
        return "" if self.kind == "quoted" else self.text.casefold()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self._tokens = list(self._split())
        self._next = 0

    def _split(self) -> Iterator[_Token]:
        at, end = 0, len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if match is None:
                blank = len(self.text[at:]) - len(self.text[at:].lstrip())
                sign = self.text[at + blank]
                raise self._wrong(f"'{sign}' is not understood", at + blank)
            kind = match.lastgroup or ""
            token = match.group(kind)
            yield _Token(token[1:-1] if kind == "quoted" else token, kind, match.start(kind))
            at = match.end()

    def _wrong(self, what: str, position: int) -> RuleError:
        shown = self.text.strip() or "nothing"
        return RuleError(
            what, where=f"at character {position + 1} of: {shown}",
            do='write for example: ERBB2 > 2 and domain = "invasive cancer"', position=position,
        )  # fmt: skip

    @property
    def _here(self) -> _Token:
        if self._next < len(self._tokens):
            return self._tokens[self._next]
        return _Token("", "end", len(self.text.rstrip()))

    def _take(self, *words: str) -> bool:
        if self._here.kind != "end" and self._here.word in words:
            self._next += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong(f"'{word}' is missing here", self._here.position)

    def end(self) -> None:
        if self._here.kind != "end":
            raise self._wrong(f"'{self._here.text}' was not expected", self._here.position)

    def rule(self) -> _Node:
        left = self._part()
        while self._take("or"):
            left = _Both(left, self._part(), all_of=False)
        return left

    def _part(self) -> _Node:
        left = self._one()
        while self._take("and"):
            left = _Both(left, self._one(), all_of=True)
        return left

    def _one(self) -> _Node:
        if self._take("not"):
            return _Not(self._one())
        if self._take("("):
            inner = self.rule()
            self._need(")")
            return inner
        return self._test()

    def _value(self, what: str) -> _Token:
        token = self._here
        reserved = token.kind == "word" and token.word in _RESERVED
        if token.kind not in {"word", "quoted"} or reserved:
            raise self._wrong(f"{what} is missing here", token.position)
        self._next += 1
        return token

    def _test(self) -> _Node:
        name = self._value("The name of a column or gene")
        self.names.append(name.text)
        sign = self._here
        if self._take("is"):
            negative = self._take("not")
            self._need("missing")
            test = _Test(name.text, "missing", (), name.position)
            return _Not(test) if negative else test
        if self._take("in"):
            self._need("(")
            wanted = [self._value("A value").text]
            while self._take(","):
                wanted.append(self._value("A value").text)
            self._need(")")
            return _Test(name.text, "=", tuple(wanted), name.position)
        if self._take("=", "!=", "==", "<>", *_SIGNS):
            value = self._value("A value").text
            return _Test(name.text, _SAME.get(sign.text, sign.text), (value,), name.position)
        raise self._wrong(
            f"After '{name.text}' one of = != < > <= >= in is expected", sign.position
        )


def _texts(column: Any) -> tuple[NDArray[Any], Mask]:
    """Categories or objects as text, and which are missing."""
    categories = getattr(column, "cat", None)
    if categories is not None:
        codes = np.asarray(categories.codes)
        names = np.array([str(c) for c in categories.categories] + [""], dtype=object)
        return names[codes].astype(str), codes < 0
    plain = np.asarray(column, dtype=object)
    missing = np.array([v is None or v != v for v in plain], dtype=bool)
    return np.array([str(v) for v in plain]), missing
