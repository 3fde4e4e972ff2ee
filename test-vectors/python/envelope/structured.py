"""Structured fields (RFC 9651), read in their one canonical spelling only (envelope.md 3.5)."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Callable

from .encoding import Unreadable, read_base64
from .refusal import Refusal, refuse_if

KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,11})\.(?:0|[0-9]{0,2}[1-9])(?![0-9.])")
INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,14})(?![0-9.])")


class Token(str):
    """A token, which is no string."""


Bare = int | Decimal | str | bytes | bool
Parameters = dict[str, Bare]


@dataclass(frozen=True)
class Item:
    """A bare item with its parameters."""

    value: Bare
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class InnerList:
    """A list of items with its parameters, and the text that it was read from."""

    items: list[Item]
    parameters: Parameters
    text: str


Members = dict[str, Item | InnerList]


def read_dictionary(text: str) -> Members:
    """A dictionary of at least one member; `malformed` (V1.5) or `duplicate` (V1.6)."""
    return _Reader(text).dictionary()


def write_string(text: str) -> str:
    """A string with its quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Reader:
    """Reads from left to right; each method takes what it names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def dictionary(self) -> Members:
        members: Members = {}
        while True:
            key = self._match(KEY).group()
            value = self._member()
            refuse_if(key in members, "duplicate", "V1.6")
            members[key] = value
            if self.at == len(self.text):
                return members
            self._expect(", ")

    def _member(self) -> Item | InnerList:
        if not self._take("="):
            return Item(True, self._parameters())
        if self.text.startswith("(", self.at):
            return self._inner_list()
        return self._item(in_place_of_true=True)

    def _inner_list(self) -> InnerList:
        start = self.at
        self._expect("(")
        items: list[Item] = []
        while not self._take(")"):
            if items:
                self._expect(" ")
            items.append(self._item())
        return InnerList(items, self._parameters(), self.text[start : self.at])

    def _item(self, in_place_of_true: bool = False) -> Item:
        value = self._bare()
        refuse_if(in_place_of_true and value is True, "malformed", "V1.5")
        return Item(value, self._parameters())

    def _parameters(self) -> Parameters:
        parameters: Parameters = {}
        while self._take(";"):
            key = self._match(KEY).group()
            value = self._bare() if self._take("=") else None
            refuse_if(value is True, "malformed", "V1.5")
            refuse_if(key in parameters, "duplicate", "V1.6")
            parameters[key] = True if value is None else value
        return parameters

    def _bare(self) -> Bare:
        for pattern, read in BARE:
            found = pattern.match(self.text, self.at)
            if found:
                self.at = found.end()
                try:
                    return read(found)
                except ValueError as error:
                    raise Refusal("malformed", "V1.5") from error
        raise Refusal("malformed", "V1.5")

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if not found:
            raise Refusal("malformed", "V1.5")
        self.at = found.end()
        return found

    def _take(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _expect(self, text: str) -> None:
        refuse_if(not self._take(text), "malformed", "V1.5")


def _string(found: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", found.group(1))


def _decimal(found: re.Match[str]) -> Decimal:
    if found.group() == "-0.0":
        raise Unreadable("minus zero")
    return Decimal(found.group())


# Dates and display strings are no part of the profile.
BARE: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Bare]]] = [
    (STRING, _string),
    (TOKEN, lambda found: Token(found.group())),
    (BYTES, lambda found: read_base64(found.group(1))),
    (DECIMAL, _decimal),
    (INTEGER, lambda found: int(found.group())),
    (re.compile(r"\?([01])"), lambda found: found.group(1) == "1"),
]
