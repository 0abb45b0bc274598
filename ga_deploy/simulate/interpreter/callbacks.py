"""Status callbacks of a call's media streams: requests beside the call, whose answers change nothing in it."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.simulate.interpreter.documents import list_logs, shorten
from ga_deploy.simulate.interpreter.record import Event, Json
from ga_deploy.twilio_rules.check import find_value_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.simulate.interpreter.plan import CallPlan
    from ga_deploy.simulate.interpreter.progress import CallProgress
    from ga_deploy.simulate.interpreter.twiml import Element
    from ga_deploy.simulate.interpreter.webhook import WebhookClient


class StatusCallbacks:
    """Sends the status callbacks of one call while the call goes on."""

    def __init__(self, progress: CallProgress, web: WebhookClient) -> None:
        self._progress = progress
        self._web = web
        self._sending: list[asyncio.Task[None]] = []

    def send(self, url: str, method: str, parameters: Mapping[str, str]) -> None:
        """Begin to send one. A callback that fails becomes a warning on the record."""
        self._sending.append(asyncio.create_task(self._send(url, method, parameters)))

    async def finish(self) -> None:
        """Wait until all of them are answered."""
        await asyncio.gather(*self._sending)

    async def _send(self, url: str, method: str, parameters: Mapping[str, str]) -> None:
        at = self._progress.now()
        exchange = await self._web.request(url, method, parameters)
        self._progress.requests += 1
        status = exchange.reply.status if exchange.reply else None
        outcome = status or exchange.error
        event = parameters["StreamEvent"]
        detail: dict[str, Json] = {"status": status, "event": event, **list_logs(exchange.reply)}
        self._progress.add(
            Event(at, "callback", f"{event} → {shorten(url)}: {outcome}", exchange.seconds, detail=detail)
        )
        if status is None or status >= 400:
            self._progress.note("warning", f"11200: the status callback failed ({outcome})")


@dataclass(frozen=True)
class StreamCallback:
    """The status callbacks of one stream. Nothing is sent when the TwiML has no `statusCallback`."""

    callbacks: StatusCallbacks
    plan: CallPlan
    stream: Element
    stream_sid: str

    def send(self, event: str, error: str = "") -> None:
        """Report `stream-started`, `stream-stopped` or `stream-error`, to an absolute URL; no other is ever asked."""
        url = self.stream.get("statusCallback")
        if not url or find_value_fault("Stream", "statusCallback", url):
            return
        parameters = {
            "AccountSid": self.plan.account_sid,
            "CallSid": self.plan.call_sid,
            "StreamSid": self.stream_sid,
            "StreamName": self.stream.get("name", self.stream_sid),
            "StreamEvent": event,
            "Timestamp": dt.datetime.now(dt.UTC).isoformat(),
            **({"StreamError": error} if error else {}),
        }
        self.callbacks.send(url, self.stream.get("statusCallbackMethod", "POST").upper(), parameters)
