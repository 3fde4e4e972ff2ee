"""PyPI requests-http-signature: it signs on the way through `requests`, which sends the request itself."""

import datetime
import importlib.metadata
import json
import sys

import requests
from http_message_signatures import HTTPMessageSignaturesException, MappingKeyResolver
from requests_http_signature import HTTPSignatureAuth, algorithms

ALGORITHMS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
}


def prepared(job, auth=None):
    """The request as `requests` sends it."""
    body = None if job["body"] is None else job["body"].encode()
    return requests.Request(job["method"], job["url"], headers=job["headers"], data=body, auth=auth).prepare()


def sign(job):
    """The library chooses nonce, created and expires, and covers the digest of an empty body, too. Glue: the label."""
    auth = HTTPSignatureAuth(
        signature_algorithm=ALGORITHMS[job["alg"]],
        key=job["private_pem"].encode(),
        key_id=job["keyid"],
        covered_component_ids=job["cover"],
        tag=job["tag"],
        label="sig",
        use_nonce=True,
        expires_in=datetime.timedelta(seconds=60),
    )
    with requests.Session() as session:
        session.trust_env = False
        response = session.send(prepared(job, auth), timeout=10, allow_redirects=False)
    return {"status": response.status_code, "text": response.text}


def verify(job):
    """By default it demands "@target-uri", which the profile refuses; told: the profile's components."""
    keys = MappingKeyResolver(private_keys={}, public_keys={job["keyid"]: job["public_pem"].encode()})
    told = {
        "require_components": job["cover"],
        "expect_tag": job["tag"],
        "max_age": datetime.timedelta(seconds=60),
    }
    try:
        HTTPSignatureAuth.verify(
            prepared(job),
            signature_algorithm=ALGORITHMS[job["alg"]],
            key_resolver=keys,
            **(told if job["told"] else {}),
        )
    except HTTPMessageSignaturesException as refusal:
        return {"verdict": "refused", "why": str(refusal)}
    return {"verdict": "accepted"}


def answer(job):
    """One answer for one job."""
    if job["do"] == "version":
        return {"version": importlib.metadata.version("requests-http-signature")}
    try:
        return sign(job) if job["do"] == "sign" else verify(job)
    except Exception as error:
        return {"verdict": "raises", "why": f"{type(error).__name__}: {error}"}


json.dump([answer(job) for job in json.load(sys.stdin)], sys.stdout)
