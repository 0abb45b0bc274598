"""The functions of a deployed build behind the rules of the platform's gateway.

`FunctionHost` takes an HTTP request and returns what Twilio Functions would answer: visibility, signature, verbs,
sizes and the ten seconds are judged here, the function itself runs in Node (`worker`, `node/host.js`). It knows
nothing of the management API, so that tests of functions can use it alone. Sources of the rules: Twilio docs
(Functions: request flow, visibility, headers; Security: validating requests).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, unquote

from ga_deploy.emulator.worker import WorkerLost, WorkerPool, WorkerSetup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ga_deploy.emulator.worker import Answered, Logged, Runner

Visibility = Literal["public", "protected", "private"]

TIME_LIMIT = 10.0
LARGEST_REQUEST = 1024 * 1024
LARGEST_ANSWER = 4 * 1024 * 1024
LARGEST_HEADERS = 15 * 1024
MOST_HEADERS = 90
LONGEST_COOKIE_AGE = 24 * 3600

_VERBS = ("GET", "POST", "OPTIONS")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Handler:
    """A function as deployed: `path` with its leading slash and without `.js`."""

    path: str
    visibility: Visibility
    source: str
    version_sid: str


@dataclass(frozen=True)
class Asset:
    """An asset as deployed: `path` with its leading slash and its extension."""

    path: str
    visibility: Visibility
    content: bytes
    version_sid: str
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class HttpCall:
    """A request as it came over the wire: `path` and `query` still percent-encoded, `query` without its `?`."""

    method: str
    path: str
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class LogLine:
    """One line that a function logged, or that the platform logged about it.

    `level` is info, warning, error or debug; `path` the function's; `request_id` `RQ…`; `date` in UTC.
    """

    level: str
    message: str
    path: str
    request_id: str
    date: datetime


@dataclass(frozen=True)
class HttpAnswer:
    """What the client gets, and what was logged until then."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    logs: list[LogLine] = field(default_factory=list)
    request_id: str = ""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode(errors="replace")


@dataclass(frozen=True)
class ColdStart:
    """Seconds from starting a process until it takes requests, and of its first request."""

    launch: float
    first_call: float
    answer: HttpAnswer


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
        self._root: Path | None = None
        self._pool: WorkerPool | None = None
        self.set_context(context)

    async def start(self) -> None:
        """Lay the files out as on the platform. Processes start when requests come, as containers do."""
        self._root = Path(tempfile.mkdtemp(prefix="ga-deploy-functions-")).resolve()
        for folder in ("handlers", "files"):
            (self._root / folder).mkdir()
        (self._root / "node_modules").symlink_to(self._packages.resolve(), target_is_directory=True)
        for handler in self._handlers.values():
            self._file_of(handler).write_text(handler.source, encoding="utf-8")
        private = [asset for asset in self._assets.values() if asset.visibility == "private"]
        for asset in private:
            (self._root / "files" / asset.version_sid).write_bytes(asset.content)
        self._pool = WorkerPool(
            WorkerSetup(
                root=self._root,
                handlers=tuple({"path": h.path, "file": str(self._file_of(h))} for h in self._handlers.values()),
                assets=tuple({"path": a.path, "file": str(self._root / "files" / a.version_sid)} for a in private),
                twilio_api=self._twilio_api,
                memory_mb=self._memory_mb,
            ),
            size=self._concurrency,
            on_late_log=self._take_late_log,
        )

    async def stop(self) -> None:
        """End every process and remove the files. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.stop()
        if self._root is not None:
            await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)
            self._root = None

    async def __aenter__(self) -> FunctionHost:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def set_context(self, context: Mapping[str, str]) -> None:
        """Replace the variables; the next request sees them, running processes included."""
        self._context = {**self._credentials, **context}

    async def handle(self, call: HttpCall) -> HttpAnswer:
        """Answer a request as the platform would. Never raises for what the client or the function does."""
        refusal, served = self._judge(call)
        if refusal is not None:
            return refusal
        if isinstance(served, Asset):
            return HttpAnswer(200, [("Content-Type", served.content_type)], served.content)
        assert served is not None
        assert self._pool is not None, "start() comes first"
        return await self._run(served, call, self._pool.run)

    async def measure_cold_start(self, call: HttpCall) -> ColdStart:
        """Time a request in a process of its own, started for it and ended afterwards. For benchmarks."""
        refusal, served = self._judge(call)
        if refusal is not None or not isinstance(served, Handler) or self._pool is None:
            raise ValueError("only a request that a running host's function answers can be measured")
        begun = time.perf_counter()
        worker = await self._pool.launch_apart()
        try:
            launched = time.perf_counter()
            answer = await self._run(served, call, worker.run)
            return ColdStart(launched - begun, time.perf_counter() - launched, answer)
        finally:
            await worker.stop()

    def _judge(self, call: HttpCall) -> tuple[HttpAnswer | None, Handler | Asset | None]:
        """Return the gateway's own answer, or the function or asset that has to give it."""
        path = unquote(call.path)
        served: Handler | Asset | None = self._handlers.get(path) or self._assets.get(path)
        if served is None or served.visibility == "private":
            return _refuse(404, "there is no function or public asset at this path"), None
        if call.method not in _VERBS:
            return _refuse(405, f"{call.method} is not allowed", ("Allow", ", ".join(_VERBS))), None
        header_bytes = sum(len(name) + len(value) + 4 for name, value in call.headers)
        if header_bytes > LARGEST_HEADERS or len(call.headers) > MOST_HEADERS:
            return _refuse(431, "the headers are too large"), None
        if header_bytes + len(call.body) > LARGEST_REQUEST:
            return _refuse(413, "the request is too large"), None
        if call.method == "OPTIONS":
            return HttpAnswer(200, [("Allow", ", ".join(_VERBS))], b""), None
        if call.method == "GET" and call.body:
            return _refuse(403, "a GET request must not have a body"), None
        if served.visibility == "protected" and not self._is_signed(call):
            return _refuse(403, "the request is not signed by Twilio"), None
        return None, served

    def _is_signed(self, call: HttpCall) -> bool:
        given = call.header("X-Twilio-Signature")
        if given is None:
            return False
        domain = self._context.get("DOMAIN_NAME", "")
        tail = call.path + (f"?{call.query}" if call.query else "")
        parameters: dict[str, list[str]] = {}
        if call.method == "POST" and (call.header("Content-Type") or "").split(";")[0].strip().lower() == _FORM:
            parameters = parse_qs(call.body.decode(errors="replace"), keep_blank_values=True)
        elif call.body:
            # A body that is no form is signed through its hash in the query.
            claimed = parse_qs(call.query).get("bodySHA256", [""])[0]
            if not hmac.compare_digest(claimed.encode(), hashlib.sha256(call.body).hexdigest().encode()):
                return False
        # With and without the port: Twilio's signers do not agree on it, so its validators try both.
        return any(
            hmac.compare_digest(sign(self._auth_token, f"https://{host}{tail}", parameters).encode(), given.encode())
            for host in (domain, f"{domain}:443")
        )

    async def _run(self, handler: Handler, call: HttpCall, run: Runner) -> HttpAnswer:
        request_id = f"RQ{secrets.token_hex(16)}"
        request = {
            "id": request_id,
            "path": handler.path,
            "file": str(self._file_of(handler)),
            "query": call.query,
            "headers": call.headers,
            "body": base64.b64encode(call.body).decode(),
            "context": self._context,
        }
        try:
            answered = await run(request, self._time_limit)
        except WorkerLost as lost:
            logs, problem = lost.logs, lost.reason
            answer = _refuse(504 if lost.timed_out else 502, "the function did not answer")
        else:
            logs, problem = answered.logs, _find_fault(answered)
            status = 400 if problem.startswith("a cookie") else 500
            answer = _refuse(status, problem) if problem else _pass_on(answered)
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


def sign(auth_token: str, url: str, parameters: Mapping[str, Sequence[str]]) -> str:
    """Return the `X-Twilio-Signature` of a request (Twilio docs: Validating requests).

    `url` is the full URL as configured; `parameters` the form fields of a POST, empty for everything else.
    """
    signed = url + "".join(name + value for name in sorted(parameters) for value in sorted(set(parameters[name])))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _refuse(status: int, message: str, *headers: tuple[str, str]) -> HttpAnswer:
    return HttpAnswer(
        status, [("Content-Type", "application/json"), *headers], json.dumps({"message": message}).encode()
    )


def _find_fault(answered: Answered) -> str:
    """Say why an answer cannot go out, or nothing."""
    if not isinstance(answered.status, int) or not 100 <= answered.status <= 599:
        return f"the function answered with the status {answered.status!r}"
    if len(answered.body) > LARGEST_ANSWER:
        return f"the answer has {len(answered.body)} bytes, {LARGEST_ANSWER} are allowed"
    for name, value in answered.headers:
        age = re.search(r"(?i);\s*max-age=(\d+)", value) if name.lower() == "set-cookie" else None
        if age and int(age[1]) > LONGEST_COOKIE_AGE:
            return "a cookie lives longer than 24 hours"
    return ""


def _pass_on(answered: Answered) -> HttpAnswer:
    assert isinstance(answered.status, int)
    # Length and framing of the message are the server's business.
    hop_by_hop = {"connection", "content-length", "keep-alive", "transfer-encoding"}
    headers = [(name, value) for name, value in answered.headers if name.lower() not in hop_by_hop]
    return HttpAnswer(answered.status, headers, answered.body)


def _to_line(logged: Logged) -> LogLine:
    return LogLine(logged.level, logged.message, logged.path, logged.request_id, datetime.now(UTC))
