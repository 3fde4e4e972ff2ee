"""Puts all test vectors to this implementation: `python3 run_vectors.py`."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from envelope.document import read_document
from envelope.encoding import read_base64
from envelope.keys import read_jwk
from envelope.policy import Access, Policy
from envelope.receipts import Auditor
from envelope.refusal import Refusal
from envelope.registry import CALL, IDENTITY, Record, Registry
from envelope.replay import ReplayCache, UnavailableCache
from envelope.message import Request
from envelope.verify import Verifier

ROOT = Path(__file__).resolve().parent.parent
Difference = tuple[Any, Any]


def main() -> int:
    """Prints each disagreement, one line per topic, and how many there are; 1 if there is any."""
    count: Counter[str] = Counter()
    agree: Counter[str] = Counter()
    for topic, path, differences in run_all():
        count[topic] += 1
        agree[topic] += not differences
        for expected, got in differences:
            print(f"{path.relative_to(ROOT)}: expected {expected}, got {got}")
    for topic in count:
        print(f"{topic}: {agree[topic]} of {count[topic]} agree")
    passed = agree.total()
    failed = count.total() - passed
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def run_all() -> Iterator[tuple[str, Path, list[Difference]]]:
    """Topic, file and differences of each vector."""
    for path in sorted(ROOT.glob("vectors/*/*.json")):
        yield path.parent.name, path, run(run_requests, path)
    for path in sorted(ROOT.glob("statements/*.json")):
        topic = "statements/" + path.name.partition("-")[0]
        yield topic, path, run(run_statements, path)
    path = ROOT / "receipts/example.jsonl"
    yield "receipts", path, run_log(path)


def run(vector_runner: Callable[[dict[str, Any]], list[Difference]], path: Path) -> list[Difference]:
    """The differences of one vector; a program that breaks off differs from whatever was expected."""
    try:
        return vector_runner(read(path))
    except Exception as error:
        return [("an answer", repr(error))]


def read(path: Path) -> dict[str, Any]:
    """The JSON of a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def run_requests(vector: dict[str, Any]) -> list[Difference]:
    """All steps of a request vector, put to one verifier."""
    verifier = make_verifier(vector["verifier"])
    differences: list[Difference] = []
    for step in vector.get("steps", [vector]):
        if "restart" in step:
            verifier.replay = make_cache(vector["verifier"], step["restart"])
        expected, got = wanted(step), outcome(verifier, step)
        if expected != got:
            differences.append((expected, got))
    return differences


def wanted(step: dict[str, Any]) -> dict[str, Any]:
    """What a verifier must say to a step."""
    members = ("expect", "stage", "identity", "keyid", "base")
    return {name: step[name] for name in members if name in step}


def outcome(verifier: Verifier, step: dict[str, Any]) -> dict[str, Any]:
    """What this one says."""
    try:
        request = make_request(step)
        access = Access(**step.get("access", {}))
        clocks = step["now"], step.get("now_after_body")
        verified = verifier.verify(request, *clocks, access, step.get("now_at_replay"))
    except Refusal as refusal:
        return {"expect": refusal.code, "stage": refusal.stage}
    return {"expect": "valid", **(vars(verified) if verified else {})}


def make_request(step: dict[str, Any]) -> Request:
    """The request of a step, or that of its document."""
    if "document" in step:
        return read_document(step["document"].encode("utf-8"))
    value = step["request"]
    headers = [(name, text) for name, text in value["headers"]]
    body = read_base64(value["body"]) if "body" in value else None
    return Request(value["method"], value["target"], headers, body)


def make_verifier(value: dict[str, Any]) -> Verifier:
    """A verifier that was told what the vector says."""
    verifier = Verifier(value["authorities"], make_registry(value), value["window"])
    verifier.max_body = value.get("max_body", verifier.max_body)
    verifier.replay = make_cache(value)
    if "issuer" in value:
        verifier.issuer = (value["issuer"]["url"], read_jwk(value["issuer"]["jwk"], "5.2"))
    if "policy" in value:
        verifier.policy = Policy.from_json(value["policy"])
    return verifier


def make_cache(value: dict[str, Any], earlier_run_until: int = -1) -> ReplayCache:
    """The empty cache of a run; what was created until then, an earlier run could have accepted."""
    replay = value.get("replay", {})
    if replay == "unavailable":
        return UnavailableCache()
    return ReplayCache(replay.get("capacity", 1 << 20), earlier_run_until)


def make_registry(value: dict[str, Any]) -> Registry:
    """The keys that the verifier of a vector knows."""
    records = [registered(entry) for entry in value["registered"]]
    records += [trusted(entry) for entry in value["trust"]]
    registry = Registry(records)
    for key in value["revoked"]:
        registry.revoke_key(key)
    for entry in value.get("revoked_certificates", []):
        registry.revoke_certificate(entry["keyid"], entry["jti"])
    if "revocations" in value:
        registry.know_revocations_of(**value["revocations"])
    return registry


def trusted(entry: dict[str, Any]) -> Record:
    """An identity key that the verifier of a vector knows."""
    moments = {name: entry[name] for name in ("expires", "issued_from") if name in entry}
    return Record(entry["keyid"], IDENTITY, entry["identity"], **moments)


def registered(entry: dict[str, Any]) -> Record:
    """A call key that needs no certificate."""
    record = Record.from_json({"key": "", "role": CALL, **entry})
    return Record(record.public.thumbprint, CALL, record.identity, record.public, record.expires)


def run_statements(vector: dict[str, Any]) -> list[Difference]:
    """All steps of a statement vector; after each, what is written down is compared."""
    registry = Registry([Record.from_json(record) for record in vector["records"]])
    differences: list[Difference] = []
    written = vector["records"]
    for step in vector["steps"]:
        said, content = take(registry, step)
        written = step.get("records", written)
        got = [record.to_json() for record in registry.records()]
        expected = (step["expect"], step.get("content"), written)
        if expected != (said, content, got):
            differences.append((expected, (said, content, got)))
    return differences


def run_log(path: Path) -> list[Difference]:
    """The example log, whole; then with each of its lines changed, dropped, and swapped with the next."""
    key = (ROOT / "receipts/key").read_text(encoding="ascii").strip()
    lines = path.read_bytes().splitlines()
    count = len(lines)
    wholes = [("valid", lines)]
    for at in range(count):
        changed = [*lines[:at], lines[at].replace(b'"time":17', b'"time":18', 1), *lines[at + 1 :]]
        wholes.append(("refused", changed))
        if at + 1 < count:
            wholes.append(("refused", [*lines[:at], *lines[at + 1 :]]))
            wholes.append(("refused", [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]))
    return [(expected, got) for expected, log in wholes if (got := audit(log, key)) != expected]


def audit(lines: list[bytes], key: str) -> str:
    """Whether a log verifies, with four envelopes in it."""
    auditor = Auditor(key)
    try:
        for line in lines:
            auditor.line(line)
    except Refusal:
        return "refused"
    return "valid" if auditor.proven == 4 else f"{auditor.proven} proven"


def take(registry: Registry, step: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """What is said to a step, and the claims of a list but for `iss`."""
    try:
        if "list" in step:
            return "valid", take_list(registry, step)
        change(registry, step)
    except Refusal as refusal:
        return refusal.code, None
    return "valid", None


def take_list(registry: Registry, step: dict[str, Any]) -> dict[str, Any]:
    """The claims of a revocation list but for `iss`."""
    claims = registry.take_list(step["list"].encode("utf-8"), step["issuer"], step["now"])
    return {name: value for name, value in claims.items() if name != "iss"}


def change(registry: Registry, step: dict[str, Any]) -> None:
    """A statement, or an act of an admin (R1, R4 to R6)."""
    if "statement" in step:
        registry.take_statement(step["statement"].encode("utf-8"), step["now"])
    elif "register" in step:
        registry.register(Record.from_json(step["register"]), step["now"])
    elif "key" in step["revoke"]:
        registry.revoke_key(step["revoke"]["key"])
    elif "issued_before" in step["revoke"]:
        revoke = step["revoke"]
        registry.revoke_issued_before(revoke["identity"], revoke["issued_before"])
    else:
        registry.revoke_identity(step["revoke"]["identity"])


if __name__ == "__main__":
    sys.exit(main())
