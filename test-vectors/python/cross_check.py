"""Signs with one implementation and verifies with the other, both ways.

    python3 cross_check.py /path/to/envelope [/path/to/envelope-verifier]

The second program is asked over loopback what the first cannot do: take a succession, and issue a
revocation list.
"""

import itertools
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from envelope.certificate import issue_certificate
from envelope.document import read_document, write_document
from envelope.encoding import read_base64url, read_object
from envelope.keys import ED25519, P256, PrivateKey, read_jwk
from envelope.message import Request
from envelope.refusal import Refusal
from envelope.registry import IDENTITY, Record, Registry
from envelope.signing import Signer
from envelope.statements import RETIREMENT, SUCCESSION, write_statement
from envelope.verify import Verifier

HOST = "pack.example"
ALGORITHMS = {"ed25519": ED25519, "p256": P256}
QUERIES = {"no query": "", "a query": "?lang=en&q=%20"}
BODIES = {"no body": None, "a body": b'{"prompt":"What does the fox say?"}'}
MESSAGES = list(itertools.product(QUERIES.items(), BODIES.items()))


def main() -> int:
    """Runs all checks; 1 if one fails."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        results = list(check_all(Path(directory), *sys.argv[1:]))
    print(f"{sum(results)} of {len(results)} checks hold")
    return 0 if all(results) else 1


def check_all(directory: Path, envelope: str, verifier: str | None = None) -> Iterator[bool]:
    """Everything, for both algorithms."""
    for name in ALGORITHMS:
        command = Command(envelope, directory / name, name)
        yield from check_theirs(command)
        yield from check_certified(command)
        yield from check_retirement(command)
        yield from check_ours(command)
    if verifier is not None:
        for old, new in itertools.product(ALGORITHMS, repeat=2):
            yield from check_verifier(verifier, directory / f"{old}-{new}", old, new)


def report(what: str, expected: str, got: str) -> bool:
    """Prints one check and whether it holds."""
    print(f"{what}: {got}" + ("" if got == expected else f", expected {expected}"))
    return got == expected


class Command:
    """The command `envelope` with an identity of its own."""

    def __init__(self, program: str, directory: Path, algorithm: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.algorithm = algorithm
        self._program = program
        self._environment = {**os.environ, "ENVELOPE_HOME": str(directory / "home")}
        self.keyid = self.run("keygen", "--alg", algorithm).stdout.decode().strip()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs it, whatever comes out."""
        return subprocess.run(
            [self._program, *arguments], env=self._environment, capture_output=True, check=False
        )

    def file(self, name: str, content: bytes) -> str:
        """Writes a file and returns its path."""
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def verify(self, keyid: str, message: bytes) -> str:
        """`valid`, or the code of the refusal."""
        done = self.run("verify", "--trust", f"alice={keyid}", self.file("message", message))
        found = re.search(rb"error: ([a-z-]+):", done.stderr)
        return "valid" if done.returncode == 0 else found[1].decode() if found else "no code"


def check_theirs(command: Command) -> Iterator[bool]:
    """The command signs, Python verifies."""
    for (query_name, query), (body_name, body) in MESSAGES:
        options = ["--body", command.file("body", body)] if body else []
        url = f"https://{HOST}/a/b{query}"
        done = command.run("sign", "POST", url, "--format", "json", *options)
        what = f"envelope signs, {command.algorithm}, {query_name}, {body_name}; Python verifies"
        yield report(what, "valid", verify_document(command.keyid, done.stdout))
        yield report(f"{what} a copy with another method", "bad-signature",
                     verify_document(command.keyid, done.stdout.replace(b"POST", b"PUT")))


def check_certified(command: Command) -> Iterator[bool]:
    """The command certifies a key of Python's, which signs; both verify."""
    for name, algorithm in ALGORITHMS.items():
        key = PrivateKey.generate(algorithm)
        jwk = command.file("call.jwk", json.dumps(key.public.jwk()).encode())
        certificate = command.run("certify", "--for", jwk).stdout.decode().strip()
        document = write_document(signed(Signer(key, certificate), "", b"body"), HOST)
        what = f"envelope, {command.algorithm}, certifies a key of Python's, {name}, that signs"
        yield report(f"{what}; Python verifies", "valid", verify_document(command.keyid, document))
        yield report(f"{what}; envelope verifies", "valid", command.verify(command.keyid, document))


def check_retirement(command: Command) -> Iterator[bool]:
    """The command drafts a retirement, Python takes it."""
    path = command.directory / "retirement.json"
    command.run("revoke", "--save", str(path))
    registry = Registry([Record(command.keyid, IDENTITY, "alice")])
    what = f"envelope drafts a retirement, {command.algorithm}; Python takes it"
    yield report(what, "valid", take(registry, path.read_bytes()))
    yield report(f"{what} again", "replayed", take(registry, path.read_bytes()))
    done = command.run("sign", "GET", f"https://{HOST}/", "--format", "json")
    got = verify_document(command.keyid, done.stdout, registry)
    what = f"envelope signs, {command.algorithm}, after that; Python verifies"
    yield report(what, "revoked", got)


def check_ours(command: Command) -> Iterator[bool]:
    """Python issues a certificate and signs, the command verifies."""
    for (query_name, query), (body_name, body) in MESSAGES:
        identity, signer = new_identity(ALGORITHMS[command.algorithm])
        request = signed(signer, query, body)
        keyid = identity.public.thumbprint
        what = f"Python signs, {command.algorithm}, {query_name}, {body_name}; envelope verifies"
        raw, document = write_http(request), write_document(request, HOST)
        yield report(f"{what} the HTTP request", "valid", command.verify(keyid, raw))
        yield report(f"{what} the document", "valid", command.verify(keyid, document))
        forged = write_http(replace(request, method="PUT"))
        yield report(f"{what} a copy with another method", "bad-signature",
                     command.verify(keyid, forged))


def check_verifier(program: str, directory: Path, old: str, new: str) -> Iterator[bool]:
    """Python hands over to a new key at a verifier, reads its list, and retires the new key."""
    old_key, old_signer = new_identity(ALGORITHMS[old])
    new_key, new_signer = new_identity(ALGORITHMS[new])
    now = int(time.time())
    succession = write_statement(
        SUCCESSION, {"iat": now, "until": now + 3600}, [old_key, new_key]
    )
    retirement = write_statement(RETIREMENT, {"iat": now}, [new_key])
    what = f"envelope-verifier, {old} to {new}: "
    with running(program, directory, old_key.public.thumbprint) as origin:
        yield report(what + "a request of the old key", "200", ask(origin, old_signer))
        yield report(what + "one of the new key", "bad-signature", ask(origin, new_signer))
        yield report(what + "the succession", "200", tell(origin, succession))
        yield report(what + "the succession again", "replayed", tell(origin, succession))
        yield report(what + "a request of the new key", "200", ask(origin, new_signer))
        yield report(what + "its retirement", "200", tell(origin, retirement))
        yield report(what + "a request after that", "revoked", ask(origin, new_signer))
        yield report(what + "its list, which Python reads", "the new key is revoked",
                     read_revocations(origin, old_signer, new_key.public.thumbprint))


@contextmanager
def running(program: str, directory: Path, keyid: str) -> Iterator[str]:
    """The origin of a verifier that runs as long as the block."""
    directory.mkdir()
    port = 20000 + secrets.randbelow(20000)
    origin = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [program, "serve", "--listen", f"127.0.0.1:{port}", "--upstream", "http://127.0.0.1:9",
         "--data-dir", str(directory / "data"), "--trust", f"alice={keyid}", "--admin", "alice"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(origin)
        yield origin
    finally:
        server.terminate()
        server.wait()


def wait_for(origin: str) -> None:
    """Returns when the server answers, whatever it says."""
    for _ in range(100):
        try:
            urllib.request.urlopen(origin, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"cross_check: error: nobody listens at {origin}")


def ask(origin: str, signer: Signer) -> str:
    """`GET /api/me`: the status, or the code of the refusal."""
    return answer(signed_get(origin, "/api/me", signer))[0]


def tell(origin: str, statement: bytes) -> str:
    """`POST /api/statements`: the status, or the code of the refusal."""
    fields = {"Content-Type": "application/jose+json"}
    return answer(urllib.request.Request(f"{origin}/api/statements", statement, fields))[0]


def read_revocations(origin: str, signer: Signer, keyid: str) -> str:
    """What the list of the verifier, signed with whatever key it has, says of a key."""
    _, text = answer(signed_get(origin, "/api/keys/revocations", signer))
    header = json.loads(text)["signatures"][0]["protected"]
    issuer = issuer_of(header)
    registry = Registry([])
    registry.take_list(text, issuer, int(time.time()))
    return f"the new key is {'revoked' if registry.is_revoked(keyid) else 'not revoked'}"


def issuer_of(header: str) -> str:
    """The thumbprint of the key in the header of a signature."""
    return read_jwk(read_object(read_base64url(header))["jwk"], "K1.4").thumbprint


def signed_get(origin: str, path: str, signer: Signer) -> urllib.request.Request:
    """A signed GET request, as urllib sends it."""
    random = secrets.token_bytes(16)
    request = signer.sign("GET", origin + path, now=int(time.time()), random=random)
    return urllib.request.Request(origin + path, headers=dict(request.headers))


def answer(request: urllib.request.Request) -> tuple[str, bytes]:
    """The status and the content, or the code of the refusal."""
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.status), response.read()
    except urllib.error.HTTPError as error:
        return json.loads(error.read())["code"], b""


def new_identity(algorithm: str) -> tuple[PrivateKey, Signer]:
    """An identity key, and a call key with its certificate."""
    identity, call = PrivateKey.generate(algorithm), PrivateKey.generate(algorithm)
    now = int(time.time())
    certificate = issue_certificate(
        identity, call.public, issued=now, expires=now + 900, jti=secrets.token_urlsafe(16)
    )
    return identity, Signer(call, certificate)


def signed(signer: Signer, query: str, body: bytes | None) -> Request:
    """A request that Python signs."""
    fields = [("Content-Type", "application/json")] if body else []
    return signer.sign(
        "POST",
        f"https://{HOST}/a/b{query}",
        now=int(time.time()),
        random=secrets.token_bytes(16),
        headers=fields,
        body=body,
    )


def verify_document(keyid: str, document: bytes, registry: Registry | None = None) -> str:
    """`valid`, or the code of the refusal."""
    known = registry or Registry([Record(keyid, IDENTITY, "alice")])
    try:
        Verifier([HOST], known).verify(read_document(document), int(time.time()))
    except Refusal as refusal:
        return refusal.code
    return "valid"


def take(registry: Registry, statement: bytes) -> str:
    """`valid`, or the code of the refusal."""
    try:
        registry.take_statement(statement, int(time.time()))
    except Refusal as refusal:
        return refusal.code
    return "valid"


def write_http(request: Request) -> bytes:
    """The request as HTTP/1.1."""
    body = request.body or b""
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


if __name__ == "__main__":
    sys.exit(main())
