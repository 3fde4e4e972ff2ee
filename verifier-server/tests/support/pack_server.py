"""A pack server without auth, as they are: Python's http.server, JSON in and out, whoever knows the URL may call.

It prints its port, and then a line of JSON for each request as it came. What it answers depends on nothing but what it was asked, so
two of them that are asked the same answer the same.
"""

import base64
import gzip
import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What was deployed before anybody stood in front.
SWARMS = {"old": {"name": "old", "agents": ["Weather", "Echo"]}}
LOCK = threading.Lock()
LARGE = bytes(range(256)) * 8192
PAGE = json.dumps({"page": "packs " * 200}).encode()


class PackServer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return "Thu, 01 Jan 2026 00:00:00 GMT"

    def chunks(self):
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self.chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, body=b"", fields=(), reason=None):
        """The fields as they are given; a length where they say nothing of one."""
        self.send_response(status, reason)
        fields = list(fields)
        names = {name.lower() for name, _ in fields}
        if not names & {"content-length", "transfer-encoding", "connection"} and status not in (204, 304):
            fields.append(("Content-Length", str(len(body))))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def tell(self, status, value):
        self.answer(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def fail(self, status, message):
        self.tell(status, {"status": "error", "message": message})

    def handle_any(self):
        body = self.read_body()
        line = {
            "method": self.command,
            "target": self.path,
            "fields": list(self.headers.items()),
            "body": base64.b64encode(body).decode(),
        }
        with LOCK:
            print(json.dumps(line), flush=True)
            path = self.path.split("?")[0].strip("/").split("/")
            if path[:2] not in (["api", "swarm"], ["api", "pack"]):
                return self.fail(404, "no such route")
            self.route(path[2:], body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def route(self, path, body):
        looks = self.command in ("GET", "HEAD")
        if path == ["healthz"] and looks:
            swarms = [
                {"swarm_guid": guid, "name": swarm["name"], "agent_count": len(swarm["agents"])}
                for guid, swarm in SWARMS.items()
            ]
            return self.tell(200, {"status": "ok", "swarm_count": len(swarms), "swarms": swarms})
        if path == ["deploy"] and self.command == "POST":
            return self.deploy(body)
        swarm = SWARMS.get(path[0]) if path else None
        if swarm is None:
            return self.fail(404, "no such swarm")
        match path[1:], self.command:
            case [], "DELETE":
                del SWARMS[path[0]]
                self.tell(200, {"status": "ok", "deleted": path[0]})
            case ["healthz"], "GET" | "HEAD":
                agents = [{"name": name} for name in swarm["agents"]]
                self.tell(200, {"status": "ok", "agent_count": len(agents), "agents": agents})
            case ["agent"], "POST":
                self.call(swarm, body)
            case rest, _:
                self.manner("/".join(rest), body)

    def deploy(self, body):
        try:
            bundle = json.loads(body)
            agents = [agent["name"] for agent in bundle["agents"]]
        except (ValueError, KeyError, TypeError):
            return self.fail(400, "a bundle is a JSON object with agents")
        guid = bundle.get("swarm_guid") or str(uuid.uuid5(uuid.NAMESPACE_URL, bundle.get("name", "")))
        SWARMS[guid] = {"name": bundle.get("name", guid), "agents": agents}
        url = f"http://{self.headers['Host']}/api/swarm/{guid}"
        self.tell(200, {"status": "ok", "swarm_guid": guid, "swarm_url": url, "agent_count": len(agents)})

    def call(self, swarm, body):
        try:
            call = json.loads(body)
            name = call["name"]
        except (ValueError, KeyError, TypeError):
            return self.fail(400, "a call is a JSON object with a name")
        if name not in swarm["agents"]:
            return self.fail(404, "no such agent")
        self.tell(200, {"status": "ok", "agent": name, "args": call.get("args"), "user_guid": call.get("user_guid")})

    def manner(self, name, body):
        """Everything else that HTTP servers do."""
        match name:
            case "stream":
                self.answer(200, b"5\r\nfirst\r\n6;x=1\r\nsecond\r\n0\r\n\r\n", [("Transfer-Encoding", "chunked")])
            case "trailer":
                fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]
                self.answer(200, b"4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n", fields)
            case "until-close":
                self.answer(200, b"as long as it takes", [("Connection", "close")])
                self.close_connection = True
            case "large":
                self.answer(200, LARGE, [("Content-Type", "application/octet-stream")])
            case "page":
                fields = [("ETag", '"v1"'), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Vary", "Accept-Encoding")]
                if self.headers.get("If-None-Match") == '"v1"':
                    return self.answer(304, b"", fields)
                page = PAGE
                if "gzip" in self.headers.get("Accept-Encoding", ""):
                    page = gzip.compress(PAGE, mtime=0)
                    fields.append(("Content-Encoding", "gzip"))
                self.answer(200, page, fields)
            case "part":
                fields = [("Content-Range", f"bytes 0-3/{len(PAGE)}"), ("Accept-Ranges", "bytes")]
                self.answer(206, PAGE[:4], fields)
            case "moved":
                self.answer(307, b"", [("Location", "/api/swarm/old/page?from=moved"), ("Refresh", "5")])
            case "cookies":
                fields = [("Set-Cookie", "a=1; Path=/; HttpOnly"), ("Set-Cookie", "b=2"), ("Set-Cookie", "a=3")]
                self.answer(200, self.headers.get("Cookie", "").encode(), fields)
            case "cases":
                fields = [("x-LOWER-upper", "1"), ("X-TWICE", "one"), ("x-twice", "two"), ("X-Empty", ""), ("X-Latin", "caf\xe9")]
                self.answer(200, b"cases", fields)
            case "hops":
                self.answer(200, b"hops", [("Keep-Alive", "timeout=5"), ("X-Stays", "1"), ("Content-Length", "4")])
            case "nothing":
                self.answer(204)
            case "teapot":
                self.answer(418, b"short and stout", reason="I am a teapot")
            case "unauthorized":
                self.answer(401, b"who are you", [("WWW-Authenticate", 'Basic realm="the pack\'s own"')])
            case "broken":
                self.answer(500, b"<h1>Traceback</h1>", [("Content-Type", "text/html; charset=latin-1")])
            case "echo":
                self.answer(200, body, [("Content-Type", self.headers.get("Content-Type", "text/plain"))])
            case _:
                self.fail(404, "no such route")


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), PackServer)
    print(server.server_port, flush=True)
    # It ends with the test that has started it.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
