"""The functions of a deployed build, behind the platform's gateway.

`FunctionHost` takes an HTTP request and returns what Twilio Functions would answer: the rules are `request_rules`, the
function itself runs in Node (`pool`, `worker`, `host.js`). It knows nothing of the management API, so that tests of
functions can use it alone.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ga_deploy.emulator.functions.npm import NodeTools
from ga_deploy.emulator.functions.pool import WorkerPool
from ga_deploy.emulator.functions.request_rules import (
    Asset,
    Handler,
    HttpRequest,
    HttpResponse,
    LogLine,
    find_fault,
    judge,
    pass_on,
    refuse,
    sign,
)
from ga_deploy.emulator.functions.sandbox import find_permission_flags
from ga_deploy.emulator.functions.worker import WorkerLost, WorkerSetup
from ga_deploy.folders import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ga_deploy.emulator.functions.worker import Logged, Runner

__all__ = ["Asset", "ColdStart", "FunctionHost", "Handler", "HttpRequest", "HttpResponse", "LogLine", "sign"]

TIME_LIMIT = 10.0


@dataclass(frozen=True)
class ColdStart:
    """Seconds from starting a process until it takes requests, and of its first request."""

    launch: float
    first_call: float
    answer: HttpResponse


class FunctionHost:
    """The functions and assets of one build, at the URL `https://{context['DOMAIN_NAME']}`.

    `node_modules` is what `NodePackages.install` returned. `context` holds the environment's variables (with
    `DOMAIN_NAME`, and `SERVICE_SID` and `ENVIRONMENT_SID` where there are any); `set_context` changes them for the next
    request on. `on_log` gets every line, those logged after the answer too. With `twilio_api`, the base URL of
    an emulated API, clients made by `context.getTwilioClient()` talk to that. All methods belong to one event loop.
    """

    def __init__(
        self,
        *,
        node_modules: Path,
        handlers: Sequence[Handler],
        assets: Sequence[Asset] = (),
        context: Mapping[str, str],
        account_sid: str,
        auth_token: str,
        include_credentials: bool = True,
        twilio_api: str = "",
        on_log: Callable[[LogLine], None] | None = None,
        time_limit: float = TIME_LIMIT,
        memory_mb: int = 256,
        concurrency: int = 16,
        idle_seconds: float = 120.0,
        patience_seconds: float = 0.1,
    ) -> None:
        self._packages = node_modules if node_modules.name == "node_modules" else node_modules / "node_modules"
        self._handlers = {handler.path: handler for handler in handlers}
        self._assets = {asset.path: asset for asset in assets}
        self._auth_token = auth_token
        self._credentials = {"ACCOUNT_SID": account_sid, "AUTH_TOKEN": auth_token} if include_credentials else {}
        self._twilio_api = twilio_api
        self._on_log = on_log
        self._time_limit = time_limit
        self._memory_mb = memory_mb
        self._concurrency = concurrency
        self._idle_seconds = idle_seconds
        self._patience_seconds = patience_seconds
        self._folder: TemporaryFolder | None = None
        self._root: Path | None = None
        self._pool: WorkerPool | None = None
        self.set_context(context)

    async def start(self) -> None:
        """Lay the files out as on the platform. Processes start when requests come, as containers do.

        Raises DeployError when there is no Node.
        """
        node = NodeTools.find().node
        permissions = await asyncio.to_thread(find_permission_flags, node)
        self._folder = TemporaryFolder("ga-deploy-functions-")
        self._root = self._folder.path
        for folder in ("handlers", "files"):
            (self._root / folder).mkdir()
        packages = self._packages.resolve()
        (self._root / "node_modules").symlink_to(packages, target_is_directory=True)
        for handler in self._handlers.values():
            self._file_of(handler).write_text(handler.source, encoding="utf-8")
        private = [asset for asset in self._assets.values() if asset.visibility == "private"]
        for asset in private:
            (self._root / "files" / asset.version_sid).write_bytes(asset.content)
        self._pool = WorkerPool(
            WorkerSetup(
                node=node,
                root=self._root,
                readable=(*(self._root / name for name in ("handlers", "files", "node_modules")), packages),
                permissions=permissions,
                handlers=tuple({"path": h.path, "file": str(self._file_of(h))} for h in self._handlers.values()),
                assets=tuple({"path": a.path, "file": str(self._root / "files" / a.version_sid)} for a in private),
                twilio_api=self._twilio_api,
                memory_mb=self._memory_mb,
            ),
            size=self._concurrency,
            idle_seconds=self._idle_seconds,
            patience_seconds=self._patience_seconds,
            on_late_log=self._take_late_log,
        )

    async def stop(self) -> None:
        """End every process and remove the files. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.stop()
        folder, self._folder, self._root = self._folder, None, None
        if folder is not None:
            await asyncio.to_thread(folder.remove)

    async def __aenter__(self) -> FunctionHost:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def set_context(self, context: Mapping[str, str]) -> None:
        """Replace the variables; the next request sees them, running processes included."""
        self._context = {**self._credentials, **context}

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request as the platform would. Never raises for what the client or the function does."""
        served = self._find(request)
        refusal = judge(request, served, domain=self._context.get("DOMAIN_NAME", ""), auth_token=self._auth_token)
        if refusal is not None:
            return refusal
        if isinstance(served, Asset):
            return HttpResponse(200, [("Content-Type", served.content_type)], served.content)
        assert served is not None
        assert self._pool is not None, "start() comes first"
        return await self._run(served, request, self._pool.run)

    async def measure_cold_start(self, request: HttpRequest) -> ColdStart:
        """Time a request in a process of its own, started for it and ended afterwards; the gateway is not asked."""
        served = self._find(request)
        if not isinstance(served, Handler) or self._pool is None:
            raise ValueError("only a request for a function of a running host can be measured")
        begun = time.perf_counter()
        worker = await self._pool.launch_apart()
        try:
            launched = time.perf_counter()
            answer = await self._run(served, request, worker.run)
            return ColdStart(launched - begun, time.perf_counter() - launched, answer)
        finally:
            await worker.stop()

    def _find(self, request: HttpRequest) -> Handler | Asset | None:
        path = unquote(request.path)
        return self._handlers.get(path) or self._assets.get(path)

    async def _run(self, handler: Handler, request: HttpRequest, run: Runner) -> HttpResponse:
        request_id = f"RQ{secrets.token_hex(16)}"
        frame = {
            "id": request_id,
            "path": handler.path,
            "file": str(self._file_of(handler)),
            "query": request.query,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
            "context": self._context,
            "ahead": request.ahead,
        }
        try:
            answered = await run(frame, self._time_limit)
        except WorkerLost as lost:
            logs, problem = lost.logs, lost.reason
            answer = refuse(504 if lost.timed_out else 502, "the function did not answer")
        else:
            logs, problem = answered.logs, find_fault(answered)
            status = 400 if problem.startswith("a cookie") else 500
            answer = refuse(status, problem) if problem else pass_on(answered)
        lines = [_to_line(logged) for logged in logs]
        if problem:
            lines.append(LogLine("error", problem, handler.path, request_id, datetime.now(UTC)))
        if self._on_log is not None:
            for line in lines:
                self._on_log(line)
        return replace(answer, logs=lines, request_id=request_id)

    def _take_late_log(self, logged: Logged) -> None:
        if self._on_log is not None:
            self._on_log(_to_line(logged))

    def _file_of(self, handler: Handler) -> Path:
        assert self._root is not None, "start() comes first"
        return self._root / "handlers" / f"{handler.version_sid}.js"


def _to_line(logged: Logged) -> LogLine:
    return LogLine(logged.level, logged.message, logged.path, logged.request_id, datetime.now(UTC))
