"""Method, target and authority (envelope.md 3.2, 3.3)."""

import re
from dataclasses import dataclass

from .refusal import Refusal, refuse_if

MAX_TARGET = 8192
METHOD = re.compile(r"[A-Z-]{1,32}")
PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*")
QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%?]*")
ESCAPE = re.compile(r"%(.{0,2})", re.DOTALL)
UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.DOTALL | re.IGNORECASE)
URL = re.compile(r"(https?)://([^/?#]*)(.*)", re.DOTALL | re.IGNORECASE)
AUTHORITY = re.compile(r"(?:[A-Za-z0-9\-._~]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}))?")
MAX_PORT = 65535
DEFAULT_PORT = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Target:
    """`authority` of an absolute-form only; `query` with its `?`, a lone one without a query."""

    authority: str | None
    path: str
    query: str


def is_method(method: str) -> bool:
    """3.2: upper-case letters and `-`, and not `CONNECT`."""
    return METHOD.fullmatch(method) is not None and method != "CONNECT"


def read_target(text: str, step: str = "V2.3") -> Target:
    """The parts of a request target that 3.2 accepts, else `target-not-canonical`."""
    absolute = ABSOLUTE.fullmatch(text)
    authority, rest = (absolute[1], absolute[2] or "/") if absolute else (None, text)
    path, mark, query = rest.partition("?")
    refuse_if(mark == "?" and query == "", "target-not-canonical", step)
    canonical = len(rest) <= MAX_TARGET and _is_path(path) and _is_query(query)
    refuse_if(not canonical, "target-not-canonical", step)
    return Target(authority, path, "?" + query)


def read_url(url: str) -> Target:
    """S1: `@authority`, `@path` and `@query` of a URL."""
    parts = URL.fullmatch(url)
    if parts is None:
        raise Refusal("target-not-canonical", "S1")
    scheme, authority, rest = parts.groups()
    authority = authority.lower().removesuffix(DEFAULT_PORT[scheme.lower()])
    refuse_if(not is_authority(authority), "target-not-canonical", "S1")
    target = read_target(rest or "/", "S1")
    return Target(authority, target.path, target.query)


def is_authority(text: str) -> bool:
    """3.3: `host` or `host:port`, as a signer and the list of a verifier have it."""
    found = AUTHORITY.fullmatch(text)
    return found is not None and int(found[1] or 1) <= MAX_PORT


def find_authority(target: Target, host: str | None, authorities: list[str]) -> str:
    """V2.4: the entry of the verifier's list that the client addressed (3.3)."""
    named = target.authority if target.authority is not None else host
    refuse_if(named is None, "wrong-authority", "V2.4")
    agrees = host is None or host.lower() == named.lower()
    refuse_if(not agrees, "wrong-authority", "V2.4")
    known = {entry.lower() for entry in authorities}
    sent = named.lower()
    for candidate in (sent, sent.removesuffix(":80"), sent.removesuffix(":443")):
        if candidate in known:
            return candidate
    raise Refusal("wrong-authority", "V2.4")


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return (
        path.startswith("/")
        and "" not in segments[1:-1]
        and not any(segment.split(";")[0] in (".", "..") for segment in segments)
        and PATH.fullmatch(path) is not None
        and _has_good_escapes(path)
    )


def _is_query(query: str) -> bool:
    return QUERY.fullmatch(query) is not None and _has_good_escapes(query)


def _has_good_escapes(text: str) -> bool:
    """3.2 rules 4 to 6."""
    return all(_is_good_escape(digits) for digits in ESCAPE.findall(text))


def _is_good_escape(digits: str) -> bool:
    return (
        re.fullmatch(r"[0-9A-F]{2}", digits) is not None
        and digits not in ("2F", "5C", "00")
        and UNRESERVED.fullmatch(chr(int(digits, 16))) is None
    )
