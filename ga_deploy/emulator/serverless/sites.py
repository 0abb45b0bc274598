"""What is deployed, served: a `FunctionHost` for each environment that is asked, at its `*.twil.io` host.

Rules of the gateway (signatures, visibility, time and size limits) are `FunctionHost`'s; here is which build answers,
what its variables are, and where the lines go that functions print.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.store import Row, new_sid
from ga_deploy.emulator.functions.host import Asset, FunctionHost, Handler, HttpRequest, HttpResponse, LogLine
from ga_deploy.emulator.serverless.builds import versions_of
from ga_deploy.folders import TemporaryFolder

if TYPE_CHECKING:
    from pathlib import Path

    from ga_deploy.emulator.core.backend import Backend

# More environments than this do not keep Node processes; the one that was asked longest ago loses them first.
MOST_SITES = 6


@dataclass
class _Site:
    """A build as one environment serves it."""

    build: str
    started: asyncio.Task[FunctionHost]
    busy: int = 0
    retired: bool = False


class Sites:
    """Serves deployed functions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._sites: dict[str, _Site] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._no_packages: TemporaryFolder | None = None

    def context(self, environment: Row) -> dict[str, str]:
        """Return the variables that code in this environment sees (docs, Environment variables)."""
        store = self._backend.store
        service = store.one("services", sid=environment["service"])
        context = {row["key"]: row["value"] for row in store.rows("variables", environment=environment["sid"])}
        context |= {
            "DOMAIN_NAME": environment["domain_name"],
            "SERVICE_SID": environment["service"],
            "ENVIRONMENT_SID": environment["sid"],
        }
        if service is not None and service["include_credentials"]:
            account = self._backend.directory.accounts[environment["account"]]
            context |= {"ACCOUNT_SID": account.sid, "AUTH_TOKEN": account.auth_token}
        return context

    def live_deployment(self, environment: Row) -> Row | None:
        """Return the deployment that answers now: the newest whose propagation is over."""
        found = self._backend.store.query(
            "SELECT * FROM deployments WHERE environment=? AND live_at<=? ORDER BY seq DESC LIMIT 1",
            environment["sid"],
            self._backend.store.now(),
        )
        return found[0] if found else None

    def refresh(self, *, service: str | None = None, environment: str | None = None) -> None:
        """Let running code know of changed variables (live instantly), and stop what is no longer there."""
        for sid, site in list(self._sites.items()):
            row = self._backend.store.one("environments", sid=sid)
            if row is None:
                self._retire(sid)
            elif sid == environment or row["service"] == service:
                self._pass_context(row, site)

    def _pass_context(self, environment: Row, site: _Site) -> None:
        if site.started.done() and not _failed(site.started):
            site.started.result().set_context(self.context(environment))

    async def answer(self, host: str, request: HttpRequest) -> HttpResponse | None:
        """Return what the functions deployed at a host answer, None when nothing is deployed there."""
        environment = self._backend.store.one("environments", domain_name=host)
        deployment = None if environment is None else self.live_deployment(environment)
        if environment is None or deployment is None or deployment["build"] is None:
            return None
        site = self._site(environment, deployment)
        site.busy += 1
        try:
            # Shielded: a client that hangs up must not end the start that others wait for.
            return await (await asyncio.shield(site.started)).handle(request)
        finally:
            site.busy -= 1
            if site.retired and not site.busy:
                self._stop(site)

    def _site(self, environment: Row, deployment: Row) -> _Site:
        sid, build = environment["sid"], deployment["build"]
        site = self._sites.get(sid)
        if site is not None and (site.build != build or _failed(site.started)):
            self._retire(sid)
            site = None
        if site is None:
            site = _Site(build, asyncio.create_task(self._start(environment, deployment)))
        # Last in the dictionary: asked most recently.
        self._sites.pop(sid, None)
        self._sites[sid] = site
        while len(self._sites) > MOST_SITES:
            self._retire(next(iter(self._sites)))
        return site

    def _retire(self, environment: str) -> None:
        """Take a site out; calls in progress end first."""
        site = self._sites.pop(environment)
        site.retired = True
        if not site.busy:
            self._stop(site)

    def _stop(self, site: _Site) -> None:
        task = asyncio.create_task(_stop_host(site.started))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _start(self, environment: Row, deployment: Row) -> FunctionHost:
        store = self._backend.store
        build = store.one("builds", sid=deployment["build"])
        assert build is not None, "a live build is never deleted"
        modules = await self._backend.builds.modules(json.loads(build["dependencies"]), build["runtime"])
        versions = store.query(
            "SELECT v.* FROM versions v JOIN build_versions b ON b.version=v.sid WHERE b.build=?", build["sid"]
        )
        account = self._backend.directory.accounts[environment["account"]]
        functions = {
            row["path"]: row["container"]
            for row in versions_of(self._backend, build["sid"])
            if row["kind"] == "function"
        }

        def keep(line: LogLine) -> None:
            self._keep_log(environment, deployment, functions.get(line.path), line)

        host = FunctionHost(
            node_modules=modules or self._empty_folder(),
            handlers=[_handler(row) for row in versions if row["kind"] == "function"],
            assets=[_asset(row) for row in versions if row["kind"] == "asset"],
            context=self.context(environment),
            account_sid=account.sid,
            auth_token=account.auth_token,
            # `context` carries them when the service says so, and that may change while the host runs.
            include_credentials=False,
            twilio_api=self._backend.base_url,
            on_log=keep,
        )
        await host.start()
        # A variable may have changed meanwhile.
        host.set_context(self.context(environment))
        return host

    def _empty_folder(self) -> Path:
        if self._no_packages is None:
            self._no_packages = TemporaryFolder("ga-deploy-no-packages-")
        return self._no_packages.path

    def _keep_log(self, environment: Row, deployment: Row, function: str | None, line: LogLine) -> None:
        if self._backend.store.one("environments", sid=environment["sid"]) is None:
            return
        self._backend.store.insert(
            "logs",
            {
                "sid": new_sid("NO"),
                "account": environment["account"],
                "service": environment["service"],
                "environment": environment["sid"],
                "build": deployment["build"],
                "deployment": deployment["sid"],
                "function": function,
                "request": line.request_id,
                "level": line.level,
                "message": line.message,
                "created": self._backend.store.now(),
            },
        )

    async def stop(self) -> None:
        """Stop all workers."""
        for sid in list(self._sites):
            self._retire(sid)
        await asyncio.gather(*self._stopping, return_exceptions=True)
        if self._no_packages is not None:
            self._no_packages.remove()
            self._no_packages = None


def _handler(row: Row) -> Handler:
    source = row["content"].decode(errors="replace")
    return Handler(path=row["path"], visibility=row["visibility"], source=source, version_sid=row["sid"])


def _asset(row: Row) -> Asset:
    content_type = row["content_type"] or "application/octet-stream"
    return Asset(row["path"], row["visibility"], row["content"], row["sid"], content_type)


def _failed(started: asyncio.Task[FunctionHost]) -> bool:
    return started.done() and (started.cancelled() or started.exception() is not None)


async def _stop_host(started: asyncio.Task[FunctionHost]) -> None:
    if not started.done():
        started.cancel()
    result = (await asyncio.gather(started, return_exceptions=True))[0]
    if isinstance(result, FunctionHost):
        await result.stop()
