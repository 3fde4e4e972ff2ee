"""The envelope as a document (envelope.md section 8)."""

import re
from typing import Any

from .encoding import MemberTwice, Unreadable, read_base64, read_object, write_base64, write_object
from .message import Request
from .refusal import Refusal, refuse_if

REQUIRED = {"method": str, "authority": str, "path": str, "headers": dict}
OPTIONAL = {"query": str, "body": str}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_document(text: bytes) -> Request:
    """The request that a document stands for; what it is not is refused at stage 1 or 2."""
    try:
        document = read_object(text)
        _check_members(document)
        body = read_base64(document["body"]) if "body" in document else None
    except MemberTwice as error:
        raise Refusal("duplicate", "V1.6") from error
    except Unreadable as error:
        raise Refusal("malformed", "V1.5") from error
    _check_length(document["headers"], body or b"")
    path, query = document["path"], document.get("query", "")
    canonical = path.startswith("/") and "?" not in path
    refuse_if(not canonical, "target-not-canonical", "V2.3")
    target = path + ("?" + query if query else "")
    fields = [("host", document["authority"]), *document["headers"].items()]
    headers = [(_bytewise(name), _bytewise(value)) for name, value in fields]
    return Request(_bytewise(document["method"]), _bytewise(target), headers, body)


def write_document(request: Request, authority: str) -> bytes:
    """The document of a request with an origin-form target."""
    path, _, query = request.target.partition("?")
    document: dict[str, Any] = {"method": request.method, "authority": authority, "path": path}
    if query:
        document["query"] = query
    document["headers"] = {
        name: _joined(request, name) for name in request.fields if name != "host"
    }
    if request.body is not None:
        document["body"] = write_base64(request.body)
    return write_object(document)


def _joined(request: Request, name: str) -> str:
    """The value of a field; one whose last line of several is empty would lose its space."""
    lines = request.fields[name]
    refuse_if(len(lines) > 1 and lines[-1] == "", "malformed", "8")
    return ", ".join(lines)


def _check_members(document: dict[str, Any]) -> None:
    for name, kind in REQUIRED.items():
        _demand(isinstance(document.get(name), kind))
    for name, value in document.items():
        _demand(name in REQUIRED or (name in OPTIONAL and isinstance(value, OPTIONAL[name])))
    seen: set[str] = set()
    for name, value in document["headers"].items():
        _demand(isinstance(value, str) and CONTROL.search(value) is None)
        refuse_if(name.lower() in (*seen, "host"), "duplicate", "V1.6")
        _demand(name.lower() != "transfer-encoding")
        seen.add(name.lower())


def _check_length(headers: dict[str, str], body: bytes) -> None:
    for name, value in headers.items():
        wrong = name.lower() == "content-length" and value.strip(" \t") != str(len(body))
        refuse_if(wrong, "malformed", "V1.5")


def _demand(condition: bool) -> None:
    if not condition:
        raise Unreadable("not a document")


def _bytewise(text: str) -> str:
    """One character for each byte of UTF-8."""
    return text.encode("utf-8").decode("latin-1")
