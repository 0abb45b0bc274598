"""A tiny HTTP server that answers what a test tells it to, for what no emulator would ever say."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Asked:
    """A request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Said:
    """An answer. `body` other than bytes is sent as JSON; `drop` closes the connection without a word."""

    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


class ScriptedServer:
    """Answers with `script(asked)`, on loopback. `asked` lists what came; `peers` the connections."""

    def __init__(self, script: Callable[[Asked], Said]) -> None:
        self.asked: list[Asked] = []
        self.peers: set[tuple[str, int]] = set()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *args: object) -> None:
                """Be quiet."""

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body.decode())
                server.asked.append(asked)
                server.peers.add(self.client_address)
                said = script(asked)
                if said.drop:
                    self.close_connection = True
                    return
                content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response_only(said.status)
                for name, value in {"Twilio-Request-Id": "RQ" + "5" * 32, **said.headers}.items():
                    self.send_header(name, value)
                if "Content-Length" not in said.headers and "Transfer-Encoding" not in said.headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = said.headers.get("Connection") == "close"

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server looks for these names

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
