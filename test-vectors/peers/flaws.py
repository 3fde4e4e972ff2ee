"""Requests with one flaw each, which a strict profile must refuse. The signature is right wherever it can be."""

import base64
import hmac
import secrets
import time

from cryptography.hazmat.primitives.serialization import load_pem_private_key

# A flaw, and the case as the table calls it. The first is none: the verifier under test must accept it.
FLAWS = {
    "none": "no flaw",
    "body": "body swapped, digest unchanged",
    "empty": "empty component list",
    "label": "label twice",
    "hmac-claimed": "`alg=\"hmac-sha256\"`, Ed25519 signature",
    "hmac-made": "`alg=\"hmac-sha256\"`, HMAC with the public key",
    "created": "`created` a string",
    "expired": "`expires` 20 s ago",
    "component": "component twice",
    "unknown": "unknown parameter",
}


def flawed(job, flaw):
    """The job with the fields of a request that has the flaw."""
    now = int(time.time())
    headers = job["headers"] | {
        "content-digest": job["digest"],
        "signature-key": f'sig=jkt-jwt;jwt="{job["certificate"]}"',
    }
    covered = list(job["cover"])
    created, expires = (now - 30, now - 20) if flaw == "expired" else (now, now + 60)
    if flaw == "empty":
        covered = []
    if flaw == "component":
        covered.append("@method")
    parameters = f'created="{created}"' if flaw == "created" else f"created={created}"
    parameters += f';expires={expires};nonce="{secrets.token_urlsafe(48)}"'
    if flaw.startswith("hmac"):
        parameters += ';alg="hmac-sha256"'
    parameters += f';keyid="{job["keyid"]}";tag="{job["tag"]}"'
    if flaw == "unknown":
        parameters += ";x=1"
    member = "(" + " ".join(f'"{name}"' for name in covered) + ");" + parameters
    base = signature_base(job, headers, covered, member)
    signature = base64.b64encode(signed(job, base, flaw)).decode()
    headers |= {"signature-input": f"sig={member}", "signature": f"sig=:{signature}:"}
    if flaw == "label":
        headers["signature-input"] = 'sig=("@method");created=1, ' + headers["signature-input"]
        headers["signature"] = "sig=:AAAA:, " + headers["signature"]
    body = '{"prompt":"another"}' if flaw == "body" else job["body"]
    return job | {"headers": headers, "body": body}


def signature_base(job, headers, covered, member):
    """RFC 9421 section 2.5."""
    rest = job["url"].split("://", 1)[1]
    authority, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    values = headers | {
        "@method": job["method"],
        "@authority": authority,
        "@path": "/" + path,
        "@query": "?" + query,
    }
    lines = [f'"{name}": {values[name]}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {member}']).encode()


def signed(job, base, flaw):
    """The signature, or the HMAC under what everybody knows."""
    if flaw == "hmac-made":
        return hmac.digest(job["public_pem"].encode(), base, "sha256")
    return load_pem_private_key(job["private_pem"].encode(), None).sign(base)
