"""The emulator's socket: one listener for all of Twilio's hosts, the deployed functions and the control plane."""

from __future__ import annotations

import asyncio
import errno
import ssl
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohttp import web

from ga_deploy.emulator.assembly import assemble
from ga_deploy.emulator.control.control import ControlPlane
from ga_deploy.emulator.control.faults import Fault, FaultPlan
from ga_deploy.emulator.control.journal import Journal
from ga_deploy.emulator.control.run_token import RunToken
from ga_deploy.emulator.core.api import unknown
from ga_deploy.emulator.core.rules import Rules
from ga_deploy.emulator.dispatch import ApiExchange, Dispatcher
from ga_deploy.emulator.functions.npm import NodePackages
from ga_deploy.emulator.routing import answers_to, read_address
from ga_deploy.errors import DeployError
from ga_deploy.loopback_server import refuse_web_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ga_deploy.emulator.core.accounts import Account
    from ga_deploy.emulator.core.backend import Backend
    from ga_deploy.redact import Secret

T = TypeVar("T")

LARGEST_BODY = 32 * 1024 * 1024


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
    its own. `control_token` is what requests to the control plane show (`Authorization: Bearer …`).
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
        on_exchange: Callable[[ApiExchange], None] | None = None,
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
        self._backend: Backend | None = None
        self._runner: web.AppRunner | None = None
        self._dispatcher: Dispatcher | None = None
        self._token = RunToken()

    @property
    def control_token(self) -> Secret:
        """The token of this run."""
        return self._token.secret

    @property
    def backend(self) -> Backend:
        """State and rules, while the emulator runs."""
        if self._backend is None:
            raise RuntimeError("the emulator is not running")
        return self._backend

    async def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: a free one) and return the base URL, without a trailing slash.

        Raises DeployError when the port is in use or the state cannot be used.
        """
        self._backend = assemble(self._state, self._accounts, self._rules, self._packages)
        self._dispatcher = Dispatcher(self._backend, self.faults, self.journal, self._on_exchange)
        application = web.Application(client_max_size=LARGEST_BODY, middlewares=[refuse_web_pages(answers_to)])
        if self._asapp is not None:
            application.add_subapp("/asapp", self._asapp.application())
        application.router.add_route("*", "/{rest:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self._tls(), backlog=512)
        try:
            await site.start()
        except OSError as problem:
            await self.stop()
            raise _cannot_listen(port, problem) from problem
        bound = self._runner.addresses[0][1]
        self.backend.base_url = f"{'https' if self._certificate else 'http'}://127.0.0.1:{bound}"
        self._token.publish(bound)
        self.backend.builds.resume()
        return self.backend.base_url

    def _tls(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate)
        return context

    async def stop(self) -> None:
        """Stop listening, end every Node process, close the state. Safe to call twice."""
        self._token.withdraw()
        runner, self._runner = self._runner, None
        if runner is not None:
            open_ones = [one.transport for one in runner.server.connections] if runner.server else []
            await runner.cleanup()
            for transport in open_ones:
                if transport is not None:
                    transport.abort()  # TLS would wait for the other side's goodbye, longer than this loop lives
            await asyncio.sleep(0)
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.stop()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        address = read_address(request)
        if address is None:
            return web.json_response(unknown(request.path).body(), status=404)
        if address.product == "control":
            plane = ControlPlane(self.backend, self.faults, self.journal, self.control_token)
            return await plane.answer(request, address.path)
        assert self._dispatcher is not None, "nothing is taken before `start`"
        return await self._dispatcher.take(request, address)


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

    def run(self, work: Callable[[], T]) -> T:
        """Do something with the emulator's state in its own thread, where nothing else happens meanwhile."""
        if self._loop is None:
            raise RuntimeError("the emulator is not running")

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result()

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
