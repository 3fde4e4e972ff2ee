"""What is measured of one peer."""

import base64
import hashlib
import json
import re
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from flaws import FLAWS, flawed
from keys import ED25519

BODY = '{"prompt":"What does the fox say?"}'
SHAPES = {
    "GET": ("GET", "", None),
    "GET?": ("GET", "?lang=en", None),
    "POST": ("POST", "", BODY),
    "POST?": ("POST", "?lang=en", BODY),
}
TAG = "envelope/1"


@dataclass
class Peer:
    """A library: its name, the program that drives it, and the tag that it insists on."""

    name: str
    program: list
    tag: str = TAG
    variant: str = ""
    version: str = ""

    def ask(self, jobs):
        """One process for a list of jobs, with an answer for each."""
        try:
            text = json.dumps(jobs)
            done = subprocess.run(self.program, input=text, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parent)
            return json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return [{"verdict": "raises", "why": "the program does not run"}] * len(jobs)

    def installed(self):
        """Whether it runs; then its version is known."""
        self.version = self.ask([{"do": "version"}])[0].get("version", "")
        return bool(self.version)

    def title(self):
        """How a table calls it."""
        return f"{self.name} {self.version}{self.variant}"


def job(stage, pair, shape, certified, tag=TAG):
    """What a peer is told of one request."""
    method, query, body = SHAPES[shape]
    now = int(time.time())
    headers = {} if body is None else {"content-type": "application/json"}
    cover = ["@method", "@authority", "@path", "@query"] + ([] if body is None else ["content-type", "content-digest"])
    if certified:
        headers["signature-key"] = f'sig=jkt-jwt;jwt="{pair["certificate"]}"'
        cover.append("signature-key")
    digest = base64.b64encode(hashlib.sha256((body or "").encode()).digest()).decode()
    url = f"http://127.0.0.1:{stage.port}/api/pack/demo/agent{query}"
    request = {"method": method, "url": url, "headers": headers, "body": body, "cover": cover, "digest": f"sha-256=:{digest}:"}
    values = {"created": now, "expires": now + 60, "nonce": secrets.token_urlsafe(16), "tag": tag}
    certificate = pair["certificate"] if certified else None
    return pair | request | values | {"certificate": certificate, "identity": stage.identity, "told": True}


def said(status, text, sent, detail=False):
    """What the verifier said of a request: nothing when the upstream got it as it was sent, else the code."""
    answer = json.loads(text)
    if status != 200:
        return f"`{answer['code']}`" + (f": {answer['detail']}" if detail else "")
    right = answer["identity"] == "alice" and answer["body"] == (sent["body"] or "") and sent["url"].endswith(answer["target"])
    return "" if right else "the upstream got another request"


def signs(stage, peer, algorithm):
    """Four shapes with a registered key and four with a certificate, to the verifier."""
    labels = [(f"{shape} {kind}", shape, kind == "certified") for kind in ("registered", "certified") for shape in SHAPES]
    jobs = [job(stage, stage.keys[algorithm], shape, certified) | {"do": "sign"} for _, shape, certified in labels]
    failures = []
    for (label, _, _), sent, answer in zip(labels, jobs, peer.ask(jobs)):
        if "why" in answer:
            failures.append((label, plain(answer["why"])))
            continue
        status, text = (answer["status"], answer["text"]) if "status" in answer else stage.send(sent, answer["headers"])
        if why := said(status, text, sent, detail=True):
            failures.append((label, why))
    return len(labels), failures


def verifies(stage, peer, algorithm):
    """Four shapes that `envelope sign` signs, with a certificate."""
    pair, jobs = stage.keys[algorithm], []
    for shape in SHAPES:
        asked = job(stage, pair, shape, True)
        (stage.folder / "body").write_text(asked["body"] or "")
        body = ["--body", str(stage.folder / "body")] if asked["body"] else []
        keys = ["--key", str(stage.folder / f"{algorithm}.pem"), "--certificate", str(stage.folder / f"{algorithm}.jws")]
        document = json.loads(stage.command("sign", asked["method"], asked["url"], "--format", "json", *body, *keys))
        jobs.append(asked | {"do": "verify", "headers": document["headers"]})
    answers = zip(SHAPES, peer.ask(jobs))
    return len(SHAPES), [(shape, plain(answer["why"])) for shape, answer in answers if answer["verdict"] != "accepted"]


def plain(text):
    """A message on one line, without what changes from run to run."""
    return re.sub(r"\d{4,}", "N", text.replace("|", "/").replace("\n", " "))[:120]


def refusals(stage, peer, told):
    """A row of verdicts."""
    jobs = []
    for flaw in FLAWS:
        good = job(stage, stage.keys[ED25519], "POST?", True, peer.tag)
        jobs.append(flawed(good, flaw) | {"do": "verify", "told": told})
    row = [answer["verdict"] for answer in peer.ask(jobs)]
    return row if row[0] == "accepted" else row[:1] + ["–"] * (len(row) - 1)


def ours(stage):
    """The same of the verifier."""
    row = []
    for flaw in FLAWS:
        sent = flawed(job(stage, stage.keys[ED25519], "POST?", True), flaw)
        row.append(said(*stage.send(sent, sent["headers"]), sent) or "accepted")
    return row
