"""The emulator's socket: one listener for all of Twilio's hosts, the deployed functions and the control plane.

A request is routed by its Host header (`serverless.twilio.com`, `*.twil.io`, …) or, on loopback, by the first segment
of its path (`/serverless/v1/…`); links in the answer stay with whichever was used.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
import ssl
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from aiohttp import web
from multidict import CIMultiDict

from ga_deploy.emulator import builds, control, environments, numbers, serverless, studio, sync
from ga_deploy.emulator.faults import Fault, FaultPlan
from ga_deploy.emulator.foreign import deploy
from ga_deploy.emulator.journal import Entry, Journal, masked
from ga_deploy.emulator.multipart import read_multipart
from ga_deploy.emulator.npm import NodePackages
from ga_deploy.emulator.problems import ApiError, too_many_requests
from ga_deploy.emulator.rules import Rules
from ga_deploy.emulator.runtime import HttpCall
from ga_deploy.emulator.store import new_sid
from ga_deploy.emulator.wire import Answer, Call, Fields, Routes, Upload, unknown
from ga_deploy.emulator.world import World
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ga_deploy.emulator.accounts import Account, Caller

# Importing a module of routes registers them; `builds` and `environments` add theirs to `serverless.routes`.
PRODUCTS: dict[str, Routes] = {
    routes.product: routes
    for routes in (serverless.routes, serverless.upload_routes, numbers.routes, studio.routes, sync.routes)
}
_ROUTES_OF_SERVERLESS = (builds, environments)

# serverless.twilio.com, and regional forms such as serverless.dublin.ie1.twilio.com.
_PRODUCT_HOST = re.compile(
    r"(serverless|serverless-upload|api|studio|sync|webhooks)((?:\.[a-z0-9-]+){0,2})\.twilio\.com"
)
_SITE_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+){0,2}\.twil\.io")
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}

LARGEST_BODY = 32 * 1024 * 1024


@dataclass(frozen=True)
class Exchange:
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
class _Place:
    """Where a request belongs: the product, its path there (raw), and the base of links."""

    product: str
    path: str
    base: str
    host: str


class Mountable(Protocol):
    """A server of its own that can also live below a path of this one, such as the mock ASAPP."""

    def application(self) -> web.Application:
        """Return a fresh aiohttp application with all routes."""


class Emulator:
    """Twilio on loopback.

    `state`: SQLite file, None to keep everything in memory. `npm_cache`: folder for installed packages; None runs no
    npm: builds complete at once, deployed functions have no packages. `rules` and the keywords after it change the
    platform's behaviour. `on_exchange` is called after every API request. `asapp` is mounted at `/asapp`. `certificate`
    (certificate file, key file) turns TLS on. The methods belong to one event loop; `EmulatorThread` gives it one of
    its own.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        accounts: Sequence[Account],
        npm_cache: Path | None = None,
        rules: Rules | None = None,
        latency_ms: float | None = None,
        build_polls: int | None = None,
        faults: FaultPlan | Sequence[Fault] = (),
        on_exchange: Callable[[Exchange], None] | None = None,
        asapp: Mountable | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        if not accounts:
            raise ValueError("an emulator needs an account")
        self._state = state
        self._accounts = tuple(accounts)
        self._packages = None if npm_cache is None else NodePackages(npm_cache)
        changes = {"latency_ms": latency_ms, "build_polls": build_polls}
        self._rules = (rules or Rules()).replaced({name: value for name, value in changes.items() if value is not None})
        self.faults = faults if isinstance(faults, FaultPlan) else FaultPlan(faults)
        self.journal = Journal()
        self._on_exchange = on_exchange
        self._asapp = asapp
        self._certificate = certificate
        self._world: World | None = None
        self._runner: web.AppRunner | None = None
        self._busy: dict[str, int] = {}

    @property
    def world(self) -> World:
        """State and rules, while the emulator runs."""
        if self._world is None:
            raise RuntimeError("the emulator is not running")
        return self._world

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: a free one) and return the base URL, without a trailing slash.

        Raises DeployError when the port is in use or the state cannot be used.
        """
        self._world = World(self._state, self._accounts, self._rules, self._packages)
        # Node may reach the emulated APIs through this while the very first function runs.
        application = web.Application(client_max_size=LARGEST_BODY)
        if self._asapp is not None:
            application.add_subapp("/asapp", self._asapp.application())
        application.router.add_route("*", "/{rest:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self._tls(), backlog=512)
        try:
            await site.start()
        except OSError as problem:
            await self.stop()
            raise _cannot_listen(port, problem) from problem
        bound = self._runner.addresses[0][1]
        self.world.base_url = f"{'https' if self._certificate else 'http'}://127.0.0.1:{bound}"
        self.world.builds.resume()
        return self.world.base_url

    def _tls(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate)
        return context

    async def stop(self) -> None:
        """Stop listening, end every Node process, close the state. Safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        world, self._world = self._world, None
        if world is not None:
            await world.stop()

    # --- one request ---------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.StreamResponse:
        place = self._route(request)
        if place is None:
            return web.json_response(unknown(request.path).body(), status=404)
        if place.product == "control":
            return await control.answer(self, request, place.path)
        request_id = new_sid("RQ")
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        target = f"/{place.product}{place.path}{query}"
        entry = self.journal.begin(request.method, place.product, place.host, target, request_id)
        begun = time.monotonic()
        try:
            response = await self._meet_faults(request, place, entry, begun)
        finally:
            entry.ended = time.monotonic()
        entry.status = response.status if request.transport is not None and not request.transport.is_closing() else 0
        return response

    async def _meet_faults(self, request: web.Request, place: _Place, entry: Entry, begun: float) -> web.StreamResponse:
        """Process a request, at the time and with the mishaps that are asked for."""
        half = self.world.rules.latency_ms / 2000
        body = await request.read()
        ending: Fault | None = None
        for fault in self.faults.strike(request.method, entry.target):
            entry.fault = fault.action
            if fault.action == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.action == "foreign" and not fault.processed:
                deploy(self.world, fault.foreign)
            elif fault.action == "foreign":
                ending = ending or fault
            else:
                ending = fault
        if half:
            await _sleep_until(begun + half)
        processed = ending is None or ending.processed or ending.action in {"malformed", "cut"}
        response = await self._process(request, place, entry, body) if processed else web.Response(status=500)
        if ending is not None:
            response = await self._end(request, ending, response)
        if half:
            # Measured from the arrival, so that the work itself is part of the latency and not on top of it.
            await _sleep_until(begun + 2 * half)
        return response

    async def _end(self, request: web.Request, fault: Fault, response: web.StreamResponse) -> web.StreamResponse:
        """Turn an answer into what the fault makes of it."""
        if fault.action == "foreign":
            deploy(self.world, fault.foreign)
            return response
        if fault.action == "status":
            status, text, content_type = fault.answer()
            return web.Response(status=status, text=text, content_type=content_type, headers=dict(fault.headers))
        if fault.action == "malformed":
            return web.Response(status=response.status, text='{"sid": "', content_type="application/json")
        if fault.action == "cut" and isinstance(response, web.Response) and isinstance(response.body, bytes):
            return await _send_half(request, response.status, response.body)
        if fault.action == "stall":
            await asyncio.sleep(fault.seconds)
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _process(self, request: web.Request, place: _Place, entry: Entry, body: bytes) -> web.StreamResponse:
        if place.product == "site":
            return await self._serve_site(request, place, body)
        login: Caller | None = None
        form: Fields = {}
        begun = time.perf_counter()
        try:
            login = self.world.directory.identify(request.headers.get("Authorization"), place.product)
            count = self._busy[login.account.sid] = self._busy.get(login.account.sid, 0) + 1
            limit = self.world.rules.concurrency
            if limit is not None and count > limit:
                status, content = too_many_requests()
                answer = Answer(status, content)
            else:
                form, files = _read_form(request, body)
                entry.form = masked(form)
                answer = await self._answer(request, place, login, form, files)
        except ApiError as refusal:
            answer = Answer(refusal.status, refusal.body())
        finally:
            concurrent = 0
            if login is not None:
                concurrent = self._busy[login.account.sid]
                self._busy[login.account.sid] -= 1
        response = self._render(answer, place, entry.request_id, time.perf_counter() - begun, concurrent)
        self._report(request, place, form, answer, response)
        return response

    async def _answer(
        self, request: web.Request, place: _Place, login: Caller, form: Fields, files: dict[str, Upload]
    ) -> Answer:
        handler, at = PRODUCTS[place.product].find(request.method, place.path)
        call = Call(
            product=place.product,
            method=request.method,
            path=place.path,
            base=place.base,
            account=login.account,
            # `+` means a space here: a client that forgets `%2B` finds nothing, as in reality.
            query=parse_qs(request.rel_url.raw_query_string, keep_blank_values=True),
            form=form,
            files=files,
            by_key=login.key is not None,
            if_match=request.headers.get("If-Match"),
            at=at,
        )
        self.world.tidy()
        answer = handler(self.world, call)
        return answer if isinstance(answer, Answer) else await answer

    def _render(self, answer: Answer, place: _Place, request_id: str, took: float, concurrent: int) -> web.Response:
        headers = {
            "Date": formatdate(self.world.store.now(), usegmt=True),
            "Twilio-Request-Id": request_id,
            "Twilio-Request-Duration": f"{took:.3f}",
            "Twilio-Concurrent-Requests": str(concurrent),
            "X-Home-Region": "us1",
            "X-API-Domain": f"{place.product}.twilio.com",
            **answer.headers,
        }
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        content = json.dumps(answer.body, ensure_ascii=False).encode()
        return web.Response(status=answer.status, body=content, content_type="application/json", headers=headers)

    def _report(
        self, request: web.Request, place: _Place, form: Fields, answer: Answer, response: web.StreamResponse
    ) -> None:
        if self._on_exchange is None:
            return
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        self._on_exchange(
            Exchange(
                method=request.method,
                url=f"https://{place.product}.twilio.com{place.path}{query}",
                headers={
                    name.title(): value for name, value in request.headers.items() if name.title() != "Authorization"
                },
                form=form,
                status=answer.status,
                json=answer.body,
                answer_headers=dict(response.headers),
            )
        )

    async def _serve_site(self, request: web.Request, place: _Place, body: bytes) -> web.StreamResponse:
        call = HttpCall(
            method=request.method,
            path=place.path,
            query=request.rel_url.raw_query_string,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers],
            body=body,
        )
        answer = await self.world.sites.answer(place.host, call)
        if answer is None:
            return web.Response(status=404, text="The requested resource was not found")
        headers: CIMultiDict[str] = CIMultiDict(answer.headers)
        if answer.request_id:
            headers["Twilio-Request-Id"] = answer.request_id
        # The length is aiohttp's to say, of the body that it sends.
        for name in ("Content-Length", "Transfer-Encoding", "Connection"):
            headers.popall(name, None)
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    # --- where a request belongs -----------------------------------------------------------------------------------

    def _route(self, request: web.Request) -> _Place | None:
        host, _, port = request.host.lower().rpartition(":") if request.host[-1:] != "]" else (request.host, "", "")
        if not host or not port.isdigit():
            host = request.host.lower()
        path = request.rel_url.raw_path
        if match := _PRODUCT_HOST.fullmatch(host):
            return _Place(match[1], path, f"https://{host}", host) if match[1] in PRODUCTS else None
        if _SITE_HOST.fullmatch(host):
            return _Place("site", path, f"https://{host}", host)
        if host not in _LOOPBACK:
            return None
        product, _, rest = path[1:].partition("/")
        if product == "_emulator":
            return _Place("control", f"/{rest}", "", host)
        if product == "2010-04-01":
            # Links of the 2010 API are relative to the host and so lose the prefix.
            product, rest = "api", path[1:]
        if product not in PRODUCTS:
            return None
        return _Place(product, f"/{rest}", f"{request.scheme}://{request.host}/{product}", host)


async def _sleep_until(moment: float) -> None:
    remaining = moment - time.monotonic()
    if remaining > 0:
        await asyncio.sleep(remaining)


def _read_form(request: web.Request, body: bytes) -> tuple[Fields, dict[str, Upload]]:
    """Return form fields and files. A body of another type holds no parameters, as Twilio sees it."""
    if request.content_type == "application/x-www-form-urlencoded":
        try:
            return parse_qs(body.decode(), keep_blank_values=True), {}
        except UnicodeDecodeError:
            return {}, {}
    if request.content_type != "multipart/form-data":
        return {}, {}
    return read_multipart(request.headers["Content-Type"], body)


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


def _cannot_listen(port: int, problem: OSError) -> DeployError:
    if problem.errno == errno.EADDRINUSE:
        return DeployError(
            f"port {port} is in use",
            why="another program listens on 127.0.0.1 at that port",
            fix="choose another port, or 0 for any free one",
        )
    return DeployError(f"the emulator cannot listen on port {port}", why=str(problem), fix="choose another port")


class EmulatorThread:
    """Runs an emulator in a thread with an event loop of its own, for tests and commands that are not asynchronous."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> str:
        """Start and return the base URL; raises what `Emulator.start` raises."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="emulator", daemon=True)
        self._thread.start()
        try:
            return asyncio.run_coroutine_threadsafe(self.emulator.start(port), self._loop).result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop and wait until everything has ended. Safe to call twice."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self.emulator.stop(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
