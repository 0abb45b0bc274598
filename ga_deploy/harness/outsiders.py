"""Whoever the functions of simulated calls tell something: none of them is asked, a listener stands in for all."""

from __future__ import annotations

import json
import secrets
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from ga_deploy.loopback_server import refuse_web_pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Text = dict[str, str]


class Outsiders:
    """A listener on loopback in the place of everybody whom functions tell something: web hooks, Twilio's messages.

    `base_url` is that of a Twilio API which takes text messages and knows nothing else.
    """

    def __init__(self) -> None:
        self._received: dict[str, tuple[str, str]] = {}
        self._texts: dict[str, Text] = {}
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on any free port."""
        app = web.Application(middlewares=[refuse_web_pages()])
        app.router.add_post("/{hook}", self._receive)
        app.router.add_post("/api/2010-04-01/Accounts/{account}/Messages.json", self._send_text)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            site = web.SockSite(self._runner, listener.dup())
            await site.start()
        self.base_url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    def stand_in(self, url: str) -> str:
        """Return the URL here that stands for a web hook."""
        return f"{self.base_url}/{quote(url, safe='')}"

    def received(self, call_sid: str) -> tuple[str, ...]:
        """Return the URLs here that were told of a call."""
        return tuple(url for told, url in self._received.values() if told == call_sid)

    def texts(self, message_sids: Iterable[str]) -> list[Text]:
        """Return the texts of these SIDs that were sent, with `to`, `from` and `body`."""
        return [self._texts[sid] for sid in message_sids if sid in self._texts]

    async def _send_text(self, request: web.Request) -> web.Response:
        form = await request.post()
        sid = "SM" + secrets.token_hex(16)
        self._texts[sid] = {name.lower(): str(form.get(name, "")) for name in ("To", "From", "Body")}
        sent = {
            "sid": sid,
            "status": "queued",
            "to": form.get("To"),
            "from": form.get("From"),
            "body": form.get("Body"),
        }
        return web.json_response(sent, status=201)

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            told = json.loads(await request.read())
            # A repetition has the key of the first, and a receiver drops it.
            key = request.headers.get("Idempotency-Key") or str(len(self._received))
            self._received[key] = (str(told["callSid"]), f"{self.base_url}{request.raw_path}")
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400)
        return web.Response(status=204)


def list_message_sids(lines: Iterable[str]) -> Iterator[str]:
    """Yield the SIDs of the text messages that functions log to have sent."""
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and told.get("event") == "sms" and told.get("messageSid"):
            yield str(told["messageSid"])
