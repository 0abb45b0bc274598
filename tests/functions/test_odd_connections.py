"""ASAPP and web hooks below HTTP: servers that speak at the wrong moment, too slowly, or not any more."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Speak = Callable[[socket.socket, int], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class OddServer:
    """Gives every connection to `speak(connection, number)` in a thread of its own."""

    def __init__(self) -> None:
        self.speak: Speak = lambda connection, number: None
        self.connections = 0
        self.done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            self.speak(connection, number)

    def stop(self) -> None:
        self.done.set()
        self._listener.close()


@pytest.fixture
def odd() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.stop()


def read_request(connection: socket.socket) -> bytes:
    """Return one request as far as its head (and what came with it); empty when the connection is over."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = connection.recv(65536)
        if not more:
            return b""
        text += more
    return text


def answer(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


WRONG: dict[str, bytes] = {
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000,
    "only promises": b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    "an empty chunk size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "half a body": OK + b"Content-Length: 100\r\n\r\n{",
    "compressed, unasked": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    "no status": b"HTTP/1.1 \r\n\r\n",
}


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG)
def test_whatever_comes_over_the_wire_a_caller_gets_an_answer(
    deploy: Any, odd: OddServer, bench: Any, said: bytes
) -> None:
    functions = deploy({"asapp": {"timeout_ms": 1000, "budget_ms": 2000}, "waiting": {"max_seconds": 0}})
    functions.set(ASAPP_API_HOST=odd.url)
    functions.clock(pace=5)

    def speak(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(said)
        if number % 2:
            odd.done.wait(5)

    odd.speak = speak
    assert functions.post("/engage").verbs == ["Say", "Dial"]
    ended = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert bench.query(ended.action)["outcome"] == "unknown"


BODY = b'{"status":"COMPLETED","outputContext":{"transferType":"AGENT","currentTaskName":"Billing"}}'
RAW = zlib.compressobj(wbits=-15)
READABLE: dict[str, tuple[bytes, bytes]] = {
    "plain": (b"", BODY),
    "with a byte order mark": (b"", b"\xef\xbb\xbf" + BODY),
    "gzip": (b"gzip", gzip.compress(BODY)),
    "gzip, by its other name": (b"x-gzip", gzip.compress(BODY)),
    "gzip with a byte order mark": (b"GZIP", gzip.compress(b"\xef\xbb\xbf" + BODY)),
    "deflate": (b"deflate", zlib.compress(BODY)),
    "deflate without its head": (b"deflate", RAW.compress(BODY) + RAW.flush()),
    "identity": (b"identity", BODY),
}


@pytest.mark.parametrize(("encoding", "body"), READABLE.values(), ids=READABLE)
def test_an_answer_is_read_however_it_is_packed(
    functions: Any, odd: OddServer, bench: Any, encoding: bytes, body: bytes
) -> None:
    functions.set(ASAPP_API_HOST=odd.url)
    head = OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))

    def speak(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(head + body)

    odd.speak = speak
    assert functions.post(f"/call-complete?transfer={bench.transfer}").event("ending")["outcome"] == "agent"


def test_an_answer_that_unpacks_to_too_much_is_none(functions: Any, odd: OddServer, bench: Any) -> None:
    functions.set(ASAPP_API_HOST=odd.url)
    bomb = gzip.compress(BODY[:-1] + b" " * (8 << 20) + b"}")
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    def speak(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(head + bomb)

    odd.speak = speak
    assert functions.post(f"/call-complete?transfer={bench.transfer}").verbs == ["Say", "Redirect"]


def test_a_body_that_trickles_is_cut_off_in_time(deploy: Any, odd: OddServer, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 300, "budget_ms": 700}})
    functions.set(ASAPP_API_HOST=odd.url)
    functions.clock(pace=1)

    def speak(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        while not odd.done.wait(0.05):
            connection.sendall(b" ")

    odd.speak = speak
    engaged = functions.post("/engage")
    assert engaged.verbs == ["Say", "Dial"]
    assert engaged.event("engage.failed")["ms"] < 1000
    waiting = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert waiting.verbs[-1] == "Redirect"
    assert waiting.event("asapp.call_transfer")["ms"] < 2000


def test_a_connection_that_died_while_the_container_slept_costs_nothing(
    deploy: Any, odd: OddServer, bench: Any
) -> None:
    """Between calls a container is frozen. Its kept connections may be dead by then without anybody having said so."""
    functions = deploy({"asapp": {"timeout_ms": 2000, "url_cache_seconds": 0}})
    functions.set(ASAPP_API_HOST=odd.url)

    def speak(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(answer(b'{"streamingUrl":"%s"}' % bench.stream_url.encode()))
        read_request(connection)
        odd.done.wait(20)

    odd.speak = speak
    functions.clock(now="2026-03-02T12:00:00Z")
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]
    functions.clock(now="2026-03-02T12:03:00Z")
    engaged = functions.post("/engage")
    assert engaged.event("asapp.stream_url")["try"] == 1
    assert engaged.event("asapp.stream_url")["status"] == 200
    assert odd.connections == 2


def test_requests_of_one_moment_share_a_connection(functions: Any, odd: OddServer, bench: Any) -> None:
    functions.set(ASAPP_API_HOST=odd.url)

    def speak(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(answer(b'{"status":"ONGOING"}'))

    odd.speak = speak
    polled = functions.post(f"/call-complete?transfer={bench.transfer}")
    assert polled.event("asapp.call_transfer")["polls"] > 2
    assert odd.connections == 1
