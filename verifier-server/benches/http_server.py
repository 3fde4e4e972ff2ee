"""A service as they are written today: http.server, a thread for each connection, and an HMAC token with every request.

    http_server.py PORT TOKEN
"""

import hashlib
import hmac
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = b"k" * 32


def mac(token):
    return hmac.new(KEY, token.encode(), hashlib.sha256).digest()


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for an answer: with two of them, TCP would wait for the client in between.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        good = scheme == "Bearer" and hmac.compare_digest(mac(token), self.server.known)
        answer = b'{"answer":"sunny"}' if good and body else b"{}"
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    known = mac(sys.argv[2])


Server(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
