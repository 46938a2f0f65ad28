"""An S3 server's bad days: a proxy in front of it that fails chosen requests, the same ones in every run.

A rule names an operation, which of its requests are hit (every nth, or numbers i to j) and what happens to them; the
proxy counts what it did, so that a test can say that its fault really happened. Workers in other processes need nothing
but the proxy's address as ``AWS_ENDPOINT_URL``. Requests go on as they came, with their ``Host``, and signed for it.
"""

import http.client
import os
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Struct

RULES = "S3_FAULTS"  # the environment variable that a proxy started as a program reads
# as S3's own, which repeat the token of the request that they refuse
MESSAGE = "<?xml version='1.0'?><Error><Code>{}</Code><Message>the proxy says so</Message><Token-0>{}</Token-0></Error>"
CODES = {
    500: "InternalError",
    503: "SlowDown",
    403: "AccessDenied",
    404: "NoSuchBucket",
    409: "ConditionalRequestConflict",
}
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "te", "upgrade"}  # of one hop only

Action = Literal["answer", "delay", "stall", "truncate", "flip", "reset", "lose"]
SPOILS_BODY = ("stall", "truncate", "flip")
WITH_BODY = ("GetObject", "ListObjectsV2", "ListObjectsV2-next", "DeleteObjects")  # operations whose answer has one


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to which requests.

    Args:
        operation: ``GetObject``, ``HeadObject``, ``PutObject``, ``PutObject-create`` (with ``If-None-Match``),
            ``DeleteObject``, ``DeleteObjects``, ``ListObjectsV2``, ``ListObjectsV2-next`` (a page after the first) or a
            pattern of those.
        action: ``answer`` with ``status``; ``delay`` by ``seconds``, then as usual; ``stall``: half the body, then
            nothing; ``truncate``: half the body, then the end; ``flip`` one bit of the body; ``reset`` the connection
            before the server sees the request; ``lose`` the answer after the server did what was asked.
        key: Pattern of ``bucket/key``; requests for others are neither hit nor counted.
        every: Hit every nth request.
        first: Hit from this one, counted from 1 ...
        last: ... to this one, both inclusive.
        status: The HTTP status of ``answer``; its S3 error code follows from it.
        seconds: Of ``delay``.
    """

    operation: str
    action: Action
    key: str = "*"
    every: int = 0
    first: int = 0
    last: int = 0
    status: int = 503
    seconds: float = 0.0

    def matches(self, operation: str, key: str) -> bool:
        """Whether a request is one of those that are counted; a body can be spoilt only where there is one."""
        possible = self.action not in SPOILS_BODY or operation in WITH_BODY
        return possible and fnmatchcase(operation, self.operation) and fnmatchcase(key, self.key)

    def hits(self, number: int) -> bool:
        """Whether the counted request of this number is hit."""
        return number % self.every == 0 if self.every else self.first <= number <= self.last


class Proxy:
    """A proxy that runs; ``url`` is its address, and ``seen`` counts all requests by operation."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname, address.port)
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._matched: Counter[int] = Counter()
        self._hit: Counter[int] = Counter()
        self.seen: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True  # a stalled one ends with its client
        self.url = "http://{}:{}".format(*self._server.server_address[:2])

    def use(self, *rules: Rule) -> None:
        """Forget all rules and counts and start afresh with these."""
        with self._lock:
            self._rules = list(rules)
            for counts in (self._matched, self._hit, self.seen):
                counts.clear()

    def hits(self) -> list[int]:
        """How often each rule has struck, in the order they were given."""
        with self._lock:
            return [self._hit[i] for i in range(len(self._rules))]

    def pick(self, operation: str, key: str) -> Rule | None:
        """Count a request; the first rule that strikes it."""
        with self._lock:
            self.seen[operation] += 1
            chosen = None
            for i, rule in enumerate(self._rules):
                if rule.matches(operation, key):
                    self._matched[i] += 1
                    if chosen is None and rule.hits(self._matched[i]):
                        self._hit[i] += 1
                        chosen = rule
            return chosen

    def forward(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the server; its status, headers and body."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in HOP:
                    connection.putheader(name, value)
            if body or method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def serve(self) -> None:
        """Answer requests until :meth:`stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def proxy(upstream: str, *rules: Rule) -> Iterator[Proxy]:
    """A proxy in a thread of its own."""
    running = Proxy(upstream)
    running.use(*rules)
    thread = threading.Thread(target=running.serve, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()


def operation_of(method: str, target: str, headers: Any) -> tuple[str, str]:
    """What S3 operation a request is, and its ``bucket/key``."""
    address = urlsplit(target)
    query = parse_qs(address.query, keep_blank_values=True)
    where = unquote(address.path).strip("/")
    if method == "GET" and "list-type" in query:
        return ("ListObjectsV2-next" if "continuation-token" in query else "ListObjectsV2"), where
    if method == "POST" and "delete" in query:
        return "DeleteObjects", where
    if method == "PUT" and "If-None-Match" in headers:
        return "PutObject-create", where
    return {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete"}.get(method, method) + "Object", where


def _handler(running: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body in as few packets as can be

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            rule = running.pick(*operation_of(self.command, self.path, self.headers))
            action = rule.action if rule else "pass"
            if rule and action == "answer":
                text = MESSAGE.format(CODES[rule.status], self.headers.get("x-amz-security-token", ""))
                return self.answer(rule.status, [("Content-Type", "application/xml")], text.encode())
            if action == "reset":
                return self.hang_up(reset=True)
            if rule and action == "delay":
                threading.Event().wait(rule.seconds)
            status, headers, content = running.forward(self.command, self.path, self.headers.items(), body)
            if action == "lose":
                return self.hang_up(reset=False)
            if action == "flip" and content:
                content = bytes([content[0] ^ 1]) + content[1:]
            return self.answer(status, headers, content, part=action in ("stall", "truncate"), stall=action == "stall")

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

        def answer(
            self,
            status: int,
            headers: Sequence[tuple[str, str]],
            body: bytes,
            *,
            part: bool = False,
            stall: bool = False,
        ) -> None:
            self.send_response_only(status)
            length = [value for name, value in headers if name.lower() == "content-length"]
            for name, value in headers:
                if name.lower() not in HOP:
                    self.send_header(name, value)
            if self.command == "HEAD" and length:
                self.send_header("Content-Length", length[0])
            elif status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if part else body)
            self.wfile.flush()
            if stall:
                self.rfile.read(1)  # returns when the client has had enough
            self.close_connection = self.close_connection or part

        def hang_up(self, *, reset: bool) -> None:
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            self.close_connection = True

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that has had enough
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def main() -> None:
    """Run as a program: ``S3_FAULTS='[{"operation": ..., "action": ...}]' python -m tests.faults.proxy UPSTREAM``."""
    running = Proxy(sys.argv[1])
    running.use(*msgspec.json.decode(os.environ[RULES], type=list[Rule]))
    print(running.url, flush=True)
    running.serve()


if __name__ == "__main__":
    main()
