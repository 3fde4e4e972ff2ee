"""Base64 in its one spelling (3.5) and JSON without surprises (section 5)."""

import base64
import binascii
import json
import re
from typing import Any

MAX_MEMBERS = 256
MAX_LEVELS = 32
MAX_INTEGER = 2**64 - 1


class Unreadable(ValueError):
    """The text is not in the encoding that it should be in."""


class MemberTwice(Unreadable):
    """A JSON object has a member twice."""


def lower(text: str) -> str:
    """A to Z in lower case, and nothing else: U+212A is no k."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def read_base64(text: str) -> bytes:
    """Standard alphabet, padded, zero trailing bits."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Unreadable("not base64") from error
    if write_base64(data) != text:
        raise Unreadable("base64 in another spelling")
    return data


def write_base64(data: bytes) -> str:
    """Standard alphabet, padded."""
    return base64.b64encode(data).decode("ascii")


def read_base64url(text: str) -> bytes:
    """URL alphabet, without padding, zero trailing bits."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Unreadable("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if write_base64url(data) != text:
        raise Unreadable("base64url in another spelling")
    return data


def write_base64url(data: bytes) -> str:
    """URL alphabet, without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8; a number that is no integer of section 5 comes back as a float."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_number,
            parse_constant=_no_constant,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    if _levels(value) > MAX_LEVELS:
        raise Unreadable("too many levels")
    return value


def write_object(value: dict[str, Any]) -> bytes:
    """JSON without spaces, members in the order of `value`."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def is_integer(value: Any) -> bool:
    """True of what `read_object` read from digits alone, up to 2^64 - 1."""
    return type(value) is int


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MemberTwice("a member is there twice")
    if len(members) > MAX_MEMBERS:
        raise Unreadable("too many members")
    return members


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() and int(text) <= MAX_INTEGER else float(text)


def _levels(value: Any) -> int:
    """How many objects and arrays lie in one another, this one counted."""
    levels = 0
    layer = [value]
    while layer:
        layer = [entry for entry in layer if isinstance(entry, (dict, list))]
        levels += bool(layer)
        layer = [inner for entry in layer for inner in _entries(entry)]
    return levels


def _entries(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _no_constant(text: str) -> None:
    raise Unreadable(f"{text} is not JSON")
