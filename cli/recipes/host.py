#!/usr/bin/env python3
"""Calls agents of packs with the credentials of the wallet of `envelope`: for chat hosts, with nothing but the standard library.

    host.py PACK AGENT ['{"city": "Berlin"}']

As a library: `status, body = call("b1946ac9", "Weather", {"city": "Berlin"})`. PACK is the guid of a pack in the wallet, the
beginning of it (4 characters or more), or the URL of a pack. The token of a pack goes as it is; for an identity or a login
`envelope sign` is run, which has to be on the PATH. Python 3.9 or later.
"""

import http.client
import json
import os
import re
import stat
import subprocess
import sys
import time
from urllib.parse import urlsplit


class HostError(Exception):
    """Why nothing was called; it never holds a token."""


def home():
    """Where envelope keeps the wallet."""
    given = os.environ.get("ENVELOPE_HOME")
    if given:
        return given
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        data = os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "envelope")


def read_wallet():
    """The wallet; an empty one where there is none. It is refused when others may read it: it holds tokens."""
    path = os.path.join(home(), "wallet", "wallet.json")
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise HostError(f"others may use {path}")
            wallet = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError:
        raise HostError(f"not a wallet: {path}") from None
    if wallet.get("version") != 1:
        raise HostError(f"not a wallet that this program reads: {path}")
    return wallet


def known_packs(wallet):
    """Every pack of the wallet, each once: `url` of the verifier, `guid`, `kind`, `token` or None."""
    packs = {}
    for pack in wallet.get("packs", []):
        entry = dict(url=pack["url"], guid=pack["guid"], kind=pack["kind"], token=pack.get("token"))
        packs[pack["url"], pack["guid"].lower()] = entry
    for place in wallet.get("verifiers", []) + wallet.get("logins", []):
        for guid in place["packs"]:
            entry = dict(url=place["url"], guid=guid, kind="pack", token=None)
            packs.setdefault((place["url"], guid.lower()), entry)
    return list(packs.values())


def which_pack(wallet, text):
    """The pack that is meant."""
    known = known_packs(wallet)
    if "://" in text:
        url = re.fullmatch(r"(https?://[^/?#]+)/api/(pack|swarm)/([A-Za-z0-9._~-]+)/?", text)
        if not url:
            raise HostError(f"not the URL of a pack: {text!r}")
        origin, kind, guid = url.groups()
        same = [pack for pack in known if pack["url"] == origin and pack["guid"].lower() == guid.lower()]
        return dict(same[0], kind=kind) if same else dict(url=origin, guid=guid, kind=kind, token=None)
    meant = [pack for pack in known if pack["guid"].lower() == text.lower()]
    if not meant and len(text) >= 4:
        meant = [pack for pack in known if pack["guid"].lower().startswith(text.lower())]
    if len(meant) != 1:
        raise HostError(f"the wallet knows {len(meant) or 'no'} packs {text!r}")
    return meant[0]


def credential(wallet, pack):
    """What goes with a call: the choice of `envelope call`."""
    if any(place["url"] == pack["url"] for place in wallet.get("verifiers", [])):
        return "signed"
    if any(place["url"] == pack["url"] for place in wallet.get("logins", [])):
        return "login"
    return "token" if pack["token"] else None


def sign(url, body):
    """The header fields that sign the request; `envelope` renews what has to be renewed."""
    command = ["envelope", "sign", "POST", url, "--body", "-", "-H", "Content-Type: application/json"]
    signed = subprocess.run(command, input=body, capture_output=True, check=False)
    if signed.returncode != 0:
        raise HostError(signed.stderr.decode("utf-8", "replace").strip())
    return [tuple(line.split(": ", 1)) for line in signed.stdout.decode("ascii").splitlines()]


def send(url, fields, body):
    """Posts once, to nowhere else: a redirect would take the credential along."""
    parts = urlsplit(url)
    kinds = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=300)
    try:
        connection.request("POST", parts.path, body, dict(fields))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_private(url):
    """Whether nobody on the way reads what goes there."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "::1") or str(parts.hostname).startswith("127.")
    return parts.scheme == "https" or here


def call(pack, agent, arguments=None):
    """Calls an agent; gives the status and the body of the answer."""
    wallet = read_wallet()
    pack = which_pack(wallet, pack)
    url = f"{pack['url']}/api/{pack['kind']}/{pack['guid']}/agent"
    body = json.dumps({"name": agent, "args": arguments or {}}).encode()
    fields = [("Content-Type", "application/json")]
    kind = credential(wallet, pack)
    if kind == "token":
        if not is_private(url):
            raise HostError("a token does not go over plain HTTP to another machine")
        fields.append(("Authorization", f"Bearer {pack['token']}"))
    if kind not in ("signed", "login"):
        return send(url, fields, body)
    status, answer = send(url, fields + sign(url, body), body)
    if status == 503 and b'"replay-unavailable"' in answer:
        # The verifier began anew and has passed nothing on: what was signed before, it may have seen.
        time.sleep(1.1)
        status, answer = send(url, fields + sign(url, body), body)
    return status, answer


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        given = json.loads(arguments[2]) if len(arguments) == 3 else {}
        if not isinstance(given, dict):
            raise HostError("the arguments are not a JSON object")
        status, body = call(arguments[0], arguments[1], given)
    except (HostError, OSError, ValueError, http.client.HTTPException) as error:
        print(f"host: error: {error}", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(body)
    return 0 if 200 <= status < 300 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
