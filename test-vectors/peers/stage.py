"""What stands on the stage: an upstream, a running `envelope-verifier`, keys and certificates, all on 127.0.0.1."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from keys import ED25519, P256, key


class Upstream(BaseHTTPRequestHandler):
    """Says who called, and what arrived."""

    def do_GET(self):
        """Any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        answer = {"identity": self.headers.get("Envelope-Identity"), "target": self.path, "body": body}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        """Nothing."""


class Stage:
    """Made once: two programs, two keys, and certificates of the identity `alice` for both."""

    def __init__(self, envelope, verifier, folder):
        self.envelope, self.folder = envelope, folder
        self.environment = {"PATH": os.environ["PATH"], "ENVELOPE_HOME": str(folder / "home")}
        self.identity = self.command("keygen").strip()
        self.keys = {algorithm: key(algorithm) for algorithm in (ED25519, P256)}
        calls = []
        for algorithm, pair in self.keys.items():
            private, public = folder / f"{algorithm}.pem", folder / f"{algorithm}.pub.jwk"
            private.touch(mode=0o600)
            private.write_text(pair["private_pem"])
            public.write_text(json.dumps(pair["public_jwk"]))
            (folder / f"{algorithm}.jws").write_text(self.command("certify", "--for", str(public)))
            pair["certificate"] = (folder / f"{algorithm}.jws").read_text().strip()
            calls.append(f'[[call-key]]\nidentity = "alice"\nkey = "{public.name}"\nexpires = "2099-01-01T00:00:00Z"\n')
        self.upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "verifier.toml"
        config.write_text(
            f'listen = "127.0.0.1:{self.port}"\nupstream = "http://127.0.0.1:{self.upstream.server_port}"\n'
            f'auth-required = true\ntrust = ["alice={self.identity}"]\n' + "".join(calls)
        )
        log = (folder / "verifier.log").open("w")
        arguments = [verifier, "serve", "--config", str(config)]
        self.process = subprocess.Popen(arguments, env=self.environment, stdout=log, stderr=log)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.close()
        raise SystemExit("the verifier does not listen: " + (folder / "verifier.log").read_text())

    def command(self, *arguments):
        """Runs `envelope`."""
        done = subprocess.run([self.envelope, *arguments], env=self.environment, capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise SystemExit(f"envelope {arguments[0]}: {done.stderr}")
        return done.stdout

    def send(self, job, headers):
        """Sends to the verifier: status and text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = None if job["body"] is None else job["body"].encode()
        path = job["url"].split(f":{self.port}", 1)[1]
        connection.request(job["method"], path, body=body, headers=headers)
        response = connection.getresponse()
        status, text = response.status, response.read().decode()
        connection.close()
        return status, text

    def close(self):
        """Ends what was started here."""
        self.process.terminate()
        self.process.wait(timeout=10)
        self.upstream.shutdown()
