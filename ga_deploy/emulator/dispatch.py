"""What happens to one request: journal, faults, latency, credentials, the rule it is for, the answer's headers.

Once a request has arrived it is processed, even if its client is killed meanwhile, unless a fault changes that.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import web
from multidict import CIMultiDict

from ga_deploy.emulator.assembly import PRODUCTS
from ga_deploy.emulator.control.journal import masked
from ga_deploy.emulator.control.odd_answers import promise_more, trickle
from ga_deploy.emulator.control.other_deployer import deploy
from ga_deploy.emulator.core.api import ApiRequest, ApiResponse
from ga_deploy.emulator.core.multipart import read_multipart
from ga_deploy.emulator.core.problems import ApiError, too_many_requests, unauthorized
from ga_deploy.emulator.core.store import new_sid
from ga_deploy.emulator.functions.host import HttpRequest
from ga_deploy.emulator.functions.request_rules import AHEAD_HEADER, read_ahead
from ga_deploy.emulator.studio.webhook import answer_webhook
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ga_deploy.emulator.control.faults import Fault, FaultPlan
    from ga_deploy.emulator.control.journal import Entry, Journal
    from ga_deploy.emulator.core.accounts import Caller
    from ga_deploy.emulator.core.api import Fields, Upload
    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.emulator.routing import RequestAddress


@dataclass(frozen=True)
class ApiExchange:
    """A request to an API and its answer, for `on_exchange`. `url` is Twilio's own, whatever host was used here.

    `form` holds the decoded form fields, `json` the answer's body (None when empty); both carry values in clear.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, Sequence[str]]
    status: int
    json: dict[str, Any] | None
    answer_headers: Mapping[str, str]


@dataclass(frozen=True)
class _Sender:
    """Who sent a request, or why nobody is known to have; and whether the account has too many of them at once."""

    caller: Caller | None
    refusal: ApiError | None = None
    is_one_too_many: bool = False


class Dispatcher:
    """Takes the requests of one emulator, those to the control plane excepted."""

    def __init__(
        self, backend: Backend, faults: FaultPlan, journal: Journal, on_exchange: Callable[[ApiExchange], None] | None
    ) -> None:
        self._backend = backend
        self._faults = faults
        self._journal = journal
        self._on_exchange = on_exchange
        self._busy: dict[str, int] = {}

    async def take(self, request: web.Request, address: RequestAddress) -> web.StreamResponse:
        """Answer a request, at the time and with the mishaps that are asked for."""
        try:
            body = await request.read()
        except ConnectionResetError:  # The client is gone; aiohttp would print a traceback.
            return web.Response(status=400)
        entry = self._journal.begin(request.method, address.product, address.host, address.target, new_sid("RQ"))
        sender = self._enter(request, address)
        try:
            response = await self._meet_faults(request, address, entry, sender, body)
        except DeployError as problem:
            # Node or a package cannot be had: the machine's fault, and for the user to read.
            response = _broken(entry, f"{problem.what}: {problem.why}" if problem.why else problem.what)
        except Exception as problem:  # noqa: BLE001 - a mistake in here must not print over the command that runs it
            response = _broken(entry, f"{type(problem).__name__}: {problem}")
            entry.problem = traceback.format_exc()
        finally:
            entry.ended = time.monotonic()
            if sender.caller is not None:
                self._busy[sender.caller.account.sid] -= 1
        gone = request.transport is None or request.transport.is_closing()
        entry.status = 0 if gone else response.status
        return response

    def _enter(self, request: web.Request, address: RequestAddress) -> _Sender:
        """Count a request of an account from its arrival on; one without valid credentials counts for nobody."""
        if address.product in {"site", "webhooks"}:
            return _Sender(None)
        try:
            caller = self._backend.directory.identify(request.headers.get("Authorization"), address.product)
        except ApiError as refusal:
            return _Sender(None, refusal)
        count = self._busy[caller.account.sid] = self._busy.get(caller.account.sid, 0) + 1
        limit = self._backend.rules.concurrency
        return _Sender(caller, is_one_too_many=limit is not None and count > limit)

    async def _meet_faults(
        self, request: web.Request, address: RequestAddress, entry: Entry, sender: _Sender, body: bytes
    ) -> web.StreamResponse:
        half = self._backend.rules.latency_ms / 2000
        ending: Fault | None = None
        followers: list[Fault] = []
        for fault in self._faults.strike(request.method, entry.target):
            entry.fault = fault.action
            if fault.action == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.action == "foreign" and fault.processed:
                followers.append(fault)
            elif fault.action == "foreign":
                deploy(self._backend, fault.foreign)
            else:
                ending = fault
        if half:
            await _sleep_until(entry.started + half)
        processed = ending is None or ending.processed or ending.action in {"malformed", "cut", "endless"}
        response: web.StreamResponse = web.Response(status=500)
        if processed and address.product == "site":
            response = await self._serve_site(request, address, body)
        elif processed and address.product == "webhooks":
            response = await self._serve_flow(request, address, body)
        elif processed:
            response = await self._serve_api(request, address, entry, sender, body)
        for fault in followers:
            deploy(self._backend, fault.foreign)
        if ending is not None:
            response = await self._end(request, address, ending, response)
        if half:
            # Counted from the arrival, so that the work is part of the latency and not on top of it.
            await _sleep_until(entry.started + 2 * half)
        return response

    async def _end(
        self, request: web.Request, address: RequestAddress, fault: Fault, response: web.StreamResponse
    ) -> web.StreamResponse:
        """Turn an answer into what the fault makes of it."""
        if fault.action == "status":
            status, text, content_type = fault.answer()
            return web.Response(status=status, text=text, content_type=content_type, headers=dict(fault.headers))
        if fault.action == "malformed":
            return web.Response(status=response.status, text='{"sid": "', content_type="application/json")
        if fault.action == "cut" and isinstance(response, web.Response) and isinstance(response.body, bytes):
            return await _send_half(request, response.status, response.body)
        if fault.action == "endless":
            return promise_more(address, response)
        if fault.action == "trickle":
            await trickle(request, fault.seconds)
        if fault.action == "stall":
            await _wait_for_the_end(request, fault.seconds)
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _serve_api(
        self, request: web.Request, address: RequestAddress, entry: Entry, sender: _Sender, body: bytes
    ) -> web.StreamResponse:
        begun = time.perf_counter()
        form: Fields = {}
        try:
            form, files = _read_form(request, body)
            entry.form = masked(form)
            answer = await self._answer(request, address, sender, form, files)
        except ApiError as refusal:
            answer = ApiResponse(refusal.status, refusal.body())
        headers = {
            "Date": formatdate(self._backend.store.now(), usegmt=True),
            "Twilio-Request-Id": entry.request_id,
            "Twilio-Request-Duration": f"{time.perf_counter() - begun:.3f}",
            "Twilio-Concurrent-Requests": str(self._busy[sender.caller.account.sid] if sender.caller else 0),
            "X-Home-Region": "us1",
            "X-API-Domain": f"{address.product}.twilio.com",
            **answer.headers,
        }
        if self._on_exchange is not None:
            self._on_exchange(_exchange(request, address, form, answer, headers))
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        content = json.dumps(answer.body, ensure_ascii=False).encode()
        return web.Response(status=answer.status, body=content, content_type="application/json", headers=headers)

    async def _answer(
        self, request: web.Request, address: RequestAddress, sender: _Sender, form: Fields, files: dict[str, Upload]
    ) -> ApiResponse:
        if sender.is_one_too_many:
            return ApiResponse(*too_many_requests())
        caller = sender.caller
        if caller is None:
            raise sender.refusal or unauthorized()
        handler, at = PRODUCTS[address.product].find(request.method, address.path)
        asked = ApiRequest(
            product=address.product,
            method=request.method,
            path=address.path,
            base=address.base,
            account=caller.account,
            # `+` means a space here: a client that forgets `%2B` finds nothing, as in reality.
            query=parse_qs(address.query, keep_blank_values=True),
            form=form,
            files=files,
            by_key=caller.key is not None,
            if_match=request.headers.get("If-Match"),
            at=at,
        )
        self._backend.tidy()
        answer = handler(self._backend, asked)
        return answer if isinstance(answer, ApiResponse) else await answer

    async def _serve_site(self, request: web.Request, address: RequestAddress, body: bytes) -> web.StreamResponse:
        sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        headers = [(name, value) for name, value in sent if name.lower() != AHEAD_HEADER]
        ahead = read_ahead(request.headers.get(AHEAD_HEADER, ""))
        asked = HttpRequest(request.method, address.path, address.query, headers, body, ahead)
        answer = await self._backend.sites.answer(address.host, asked)
        if answer is None:
            return web.Response(status=404, text="The requested resource was not found")
        answered: CIMultiDict[str] = CIMultiDict(answer.headers)
        if answer.request_id:
            answered["Twilio-Request-Id"] = answer.request_id
        # The length is aiohttp's to say, of the body that it sends.
        for name in ("Content-Length", "Transfer-Encoding", "Connection"):
            answered.popall(name, None)
        return web.Response(status=answer.status, headers=answered, body=answer.body)

    async def _serve_flow(self, request: web.Request, address: RequestAddress, body: bytes) -> web.StreamResponse:
        """Answer a flow's webhook as the voice platform calls it; without a login, like the real one."""
        query = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        form, _ = _read_form(request, body)
        fields = {name: values[-1] for name, values in form.items()}
        answer = await answer_webhook(self._backend, address.path, query, fields)
        # Studio tells its reasons in the Console's log only; whoever develops wants to see them here.
        headers = {"X-Emulator-Problem": answer.problem} if answer.problem else {}
        return web.Response(status=answer.status, text=answer.twiml, content_type="text/xml", headers=headers)


def _broken(entry: Entry, message: str) -> web.Response:
    """Return the 500 for what went wrong with the emulator itself, which the journal tells too."""
    entry.problem = message
    body = {"code": 20500, "message": message, "more_info": "https://www.twilio.com/docs/errors/20500", "status": 500}
    return web.json_response(body, status=500, headers={"Twilio-Request-Id": entry.request_id})


async def _sleep_until(moment: float) -> None:
    remaining = moment - time.monotonic()
    if remaining > 0:
        await asyncio.sleep(remaining)


async def _wait_for_the_end(request: web.Request, seconds: float) -> None:
    """Wait until the client hangs up, but no longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(min(0.05, seconds))


def _read_form(request: web.Request, body: bytes) -> tuple[Fields, dict[str, Upload]]:
    """Return form fields and files. A body of another type holds no parameters, as Twilio sees it."""
    if request.content_type == "application/x-www-form-urlencoded":
        return parse_qs(body.decode(errors="replace"), keep_blank_values=True), {}
    if request.content_type == "multipart/form-data":
        return read_multipart(request.headers["Content-Type"], body)
    return {}, {}


def _exchange(
    request: web.Request, address: RequestAddress, form: Fields, answer: ApiResponse, headers: Mapping[str, str]
) -> ApiExchange:
    sent = {name.title(): value for name, value in request.headers.items() if name.title() != "Authorization"}
    url = f"https://{address.product}.twilio.com{address.tail}"
    return ApiExchange(request.method, url, sent, form, answer.status, answer.body, headers)


async def _send_half(request: web.Request, status: int, body: bytes) -> web.StreamResponse:
    """Announce the whole body, send half of it and end the connection."""
    response = web.StreamResponse(
        status=status, headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
