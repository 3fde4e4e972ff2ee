"""PyPI http-message-signatures. Jobs come as a JSON list on stdin, answers go as one to stdout."""

import datetime
import importlib.metadata
import json
import sys
from types import SimpleNamespace

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)

ALGORITHMS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
}


def message(job):
    """What the library takes for a request: method, URL and fields."""
    return SimpleNamespace(method=job["method"], url=job["url"], headers=dict(job["headers"]))


def body(job):
    """The bytes of the body, or none."""
    return None if job["body"] is None else job["body"].encode()


def sign(job):
    """The library writes Content-Digest, Signature-Input and Signature. Glue: the label, to be that of Signature-Key."""
    keys = MappingKeyResolver(private_keys={job["keyid"]: job["private_pem"].encode()}, public_keys={})
    request = message(job)
    HTTPMessageSigner(signature_algorithm=ALGORITHMS[job["alg"]], key_resolver=keys).sign(
        request,
        key_id=job["keyid"],
        created=datetime.datetime.fromtimestamp(job["created"], datetime.timezone.utc),
        expires=datetime.datetime.fromtimestamp(job["expires"], datetime.timezone.utc),
        nonce=job["nonce"],
        tag=job["tag"],
        label="sig",
        covered_component_ids=job["cover"],
        body=body(job),
    )
    return {"headers": request.headers}


def verify(job):
    """By default: fields alone. Told: also components, tag, age and body."""
    keys = MappingKeyResolver(private_keys={}, public_keys={job["keyid"]: job["public_pem"].encode()})
    told = {
        "require_components": job["cover"],
        "expect_tag": job["tag"],
        "max_age": datetime.timedelta(seconds=60),
        "body": body(job) or b"",
    }
    verifier = HTTPMessageVerifier(signature_algorithm=ALGORITHMS[job["alg"]], key_resolver=keys)
    try:
        verifier.verify(message(job), **(told if job["told"] else {}))
    except HTTPMessageSignaturesException as refusal:
        return {"verdict": "refused", "why": str(refusal)}
    return {"verdict": "accepted"}


def answer(job):
    """One answer for one job."""
    if job["do"] == "version":
        return {"version": importlib.metadata.version("http-message-signatures")}
    try:
        return sign(job) if job["do"] == "sign" else verify(job)
    except Exception as error:
        return {"verdict": "raises", "why": f"{type(error).__name__}: {error}"}


json.dump([answer(job) for job in json.load(sys.stdin)], sys.stdout)
