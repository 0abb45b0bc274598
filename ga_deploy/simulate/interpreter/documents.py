"""The TwiML documents of a call: how each is requested, read and put on record, and what happens when one fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.redact import redact
from ga_deploy.simulate.interpreter.plan import CallTarget, list_parameters
from ga_deploy.simulate.interpreter.progress import CallOverError
from ga_deploy.simulate.interpreter.record import Event, Json
from ga_deploy.simulate.interpreter.transports import WebError, WebReply
from ga_deploy.simulate.interpreter.twiml import Element, Remark, TwimlDocument, read_document, resolve, walk
from ga_deploy.simulate.interpreter.webhook import WebhookExchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.simulate.interpreter.plan import Page
    from ga_deploy.simulate.interpreter.progress import CallProgress
    from ga_deploy.simulate.interpreter.webhook import WebhookClient

_APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
_APPLICATION_ERROR_SECONDS = 4.0


@dataclass(frozen=True)
class DocumentRequest:
    """A document to request: from where, how, and with which parameters besides those of every webhook."""

    url: str
    method: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FetchedDocument:
    """A document with the address that it came from: relative URLs in it are relative to this one."""

    url: str
    twiml: TwimlDocument


def request_action(verb: Element, base: str, parameters: Mapping[str, str] | None = None) -> DocumentRequest:
    """Return the request for a verb's `action` (without one: for the document itself)."""
    return DocumentRequest(resolve(base, verb.get("action")), verb.get("method", "POST").upper(), parameters or {})


class Documents:
    """Requests the documents of one call. Addresses that are not `own_hosts` are never contacted."""

    def __init__(self, progress: CallProgress, web: WebhookClient) -> None:
        self._progress = progress
        self._plan = progress.plan
        self._web = web
        self._own_hosts = self._plan.own_hosts | {urlsplit(self._plan.voice_url).hostname or ""}

    def is_elsewhere(self, url: str) -> bool:
        """Tell whether an address is outside the deployment, and the plan has no page for it."""
        return (urlsplit(url).hostname or "") not in self._own_hosts and url not in self._plan.pages

    async def load(self, request: DocumentRequest) -> FetchedDocument:
        """Return the document; if it fails that of the fallback URL; if there is none Twilio apologises and hangs up.

        Raises CallOverError when the call ends here, and CallerGoneError when the caller has gone.
        """
        document, error, url = await self._fetch(request, purpose="webhook")
        if document:
            return document
        if self._plan.fallback_url:
            failure = {"ErrorCode": str(error.code), "ErrorUrl": url}
            fallback = DocumentRequest(self._plan.fallback_url, self._plan.fallback_method, failure)
            document, error, url = await self._fetch(fallback, purpose="fallback")
            if document:
                return document
        if self._progress.answered_at is None:
            self._progress.answered_at = self._progress.now()
        label, detail = f"Twilio says: {_APPLICATION_ERROR}", {"spoken": _APPLICATION_ERROR}
        await self._progress.pass_time("error", label, _APPLICATION_ERROR_SECONDS, heard=True, detail=detail)
        raise CallOverError("application-error")

    async def _fetch(self, request: DocumentRequest, *, purpose: str) -> tuple[FetchedDocument | None, Remark, str]:
        progress = self._progress
        self._leave_if_elsewhere(request)
        progress.requests += 1
        if progress.requests > self._plan.max_requests or progress.now() > self._plan.max_seconds:
            progress.note("error", f"endless: {progress.requests} requests in {progress.now():.0f} s of call")
            raise CallOverError("endless")
        twiml, exchange = await self.exchange(request, purpose)
        if self._plan.repeat_webhooks and request.url not in self._plan.pages:
            twiml, exchange = await self.exchange(request, f"{purpose} again", first=twiml)
        if twiml.error:
            return None, twiml.error, exchange.url
        progress.check_caller()
        return FetchedDocument(exchange.url, twiml), Remark(0, ""), exchange.url

    def _leave_if_elsewhere(self, request: DocumentRequest) -> None:
        """Hand the call over to an address outside the deployment, without contacting it."""
        if not self.is_elsewhere(request.url):
            return
        reaction = self._progress.react(CallTarget("redirect", request.url))
        url = redact(request.url)
        self._progress.add_routes((CallTarget("redirect", url),), reaction.result, self._progress.now())
        self._progress.note("redirect", f"{url}: {reaction.result}")
        if reaction.result == "answered":
            raise CallOverError("transferred")

    async def exchange(
        self, request: DocumentRequest, purpose: str, *, first: TwimlDocument | None = None, heard: bool = False
    ) -> tuple[TwimlDocument, WebhookExchange]:
        """Request a document once, as `purpose`, and put it on record. `first` is an earlier answer to compare with."""
        progress = self._progress
        at = progress.now()
        exchange = await self._send(request)
        twiml = _interpret(exchange)
        outcome = f"{twiml.error}" if twiml.error else " ".join(verb.name for verb in twiml.verbs) or twiml.kind
        detail = _describe_exchange(request, exchange, twiml)
        if first is not None:
            detail["same_as_first"] = _outline(first) == _outline(twiml)
        label = f"{purpose} {shorten(exchange.url)} → {outcome}"
        heard = heard or progress.answered_at is None
        progress.add(Event(at, "webhook", label, progress.now() - at, heard=heard, detail=detail))
        for warning in twiml.warnings:
            progress.note("warning", str(warning))
        if twiml.error:
            progress.note("error", str(twiml.error))
        return twiml, exchange

    async def _send(self, request: DocumentRequest) -> WebhookExchange:
        page = self._plan.pages.get(request.url)
        if page:
            return WebhookExchange(request.url, request.method, _page_reply(page), None, 0.0, 1)
        if self.is_elsewhere(request.url):
            return WebhookExchange(request.url, request.method, WebReply(503, {}, b""), None, 0.0, 1)
        status = "ringing" if self._progress.answered_at is None else "in-progress"
        form = {**list_parameters(self._plan), "CallStatus": status, **request.parameters}
        return await self._web.request(request.url, request.method, form)

    async def request_after_hang_up(self, request: DocumentRequest) -> None:
        """Request an action after the caller has gone: Twilio ignores the answer, and the function must survive it."""
        sent = {**request.parameters, "CallStatus": "completed"}
        self._progress.requests += 1
        await self.exchange(DocumentRequest(request.url, request.method, sent), "webhook after hang-up")


def shorten(url: str) -> str:
    """Return path and query of a URL, with secrets masked."""
    parts = urlsplit(url)
    return redact(parts.path + (f"?{parts.query}" if parts.query else ""))


def list_logs(reply: WebReply | None) -> dict[str, Json]:
    """Return a function's log lines for an event's detail, with secrets masked; nothing if there are none."""
    return {"logs": [redact(line) for line in reply.logs]} if reply and reply.logs else {}


def _describe_exchange(request: DocumentRequest, exchange: WebhookExchange, twiml: TwimlDocument) -> dict[str, Json]:
    return {
        "url": redact(exchange.url),
        "method": exchange.method,
        "tries": exchange.tries,
        "status": exchange.reply.status if exchange.reply else None,
        "sent": dict(request.parameters),
        "body": redact(exchange.reply.body.decode("utf-8", "replace")) if exchange.reply else "",
        "unreachable": [verb.name for verb in twiml.unreachable],
        **list_logs(exchange.reply),
    }


def _interpret(exchange: WebhookExchange) -> TwimlDocument:
    reply = exchange.reply
    if reply is None:
        error = exchange.error or WebError(11200, "no answer")
        return TwimlDocument("error", error=Remark(error.code, error.reason))
    return read_document(reply.status, reply.headers.get("content-type", ""), reply.body)


def _outline(twiml: TwimlDocument) -> tuple[tuple[str, str], ...]:
    """Return what a document does, without what may differ between two answers that mean the same."""
    verbs = (
        (one.name, one.text.partition("?")[0] if one.name == "Redirect" else one.text) for one in walk(twiml.verbs)
    )
    return tuple(verbs) or ((twiml.kind, twiml.speech),)


def _page_reply(page: Page) -> WebReply:
    return WebReply(page.status, {"content-type": page.content_type}, page.body.encode())
