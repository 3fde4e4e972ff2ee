"""A request as it came, and the base that is signed (envelope.md 3.4, 3.6)."""

import re
from dataclasses import dataclass
from functools import cached_property

ENVELOPE_FIELDS = ("content-digest", "signature-key", "signature-input", "signature")
SIGNED_FIELDS = ("signature", "signature-input", "signature-key")
DERIVED = ("@method", "@authority", "@path", "@query")
LISTED = (
    "content-type",
    "content-digest",
    "signature-key",
    "authorization",
    "idempotency-key",
    "mcp-session-id",
    "mcp-protocol-version",
)
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FIELD_VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True)
class Request:
    """One character of a string is one byte (latin-1)."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes | None = None

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """Lower-case name to the values of its lines, without spaces and tabs at their ends."""
        fields: dict[str, list[str]] = {}
        for name, value in self.headers:
            fields.setdefault(name.lower(), []).append(value.strip(" \t"))
        return fields

    def field(self, name: str) -> str | None:
        """The value of RFC 9421 section 2.1, or None when there is no such field."""
        lines = self.fields.get(name)
        return None if lines is None else ", ".join(lines)

    @property
    def has_envelope(self) -> bool:
        """Section 6: any of the three fields makes it one."""
        return any(name in self.fields for name in SIGNED_FIELDS)


def base_lines(names: list[str], values: dict[str, str], parameters: str) -> list[str]:
    """3.6: the lines of the base, which LF joins."""
    lines = [f'"{name}": {values[name]}' for name in names]
    return [*lines, f'"@signature-params": {parameters}']


def base_bytes(lines: list[str]) -> bytes:
    """The base as it is signed."""
    return "\n".join(lines).encode("latin-1")
