"""A Node process that runs functions: what the platform calls a container. One request at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ga_deploy.child_environment import TEMPORARY_VARIABLES, clean_environment
from ga_deploy.emulator.functions.egress import describe_egress
from ga_deploy.emulator.functions.sandbox import allow
from ga_deploy.errors import DeployError
from ga_deploy.installation import find_installation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Runner = Callable[[Mapping[str, object], float], Awaitable["Answered"]]

HOST_SCRIPT = Path(__file__).resolve().with_name("host.js")

# One frame: 4 MB of answer in base64, or as much in log lines.
_LONGEST_FRAME = 32 * 1024 * 1024
_START_LIMIT = 20.0

# What a function may see of this machine's environment besides what every process gets. Everything else, the user's
# secrets first of all, does not exist on the platform and must not exist here. The way out to other hosts is `egress`;
# Node's own `fetch` knows only this variable.
_PASSED_ON = ("NODE_EXTRA_CA_CERTS",)


@dataclass(frozen=True)
class Logged:
    """A line that a function logged: level (info, warning, error, debug), text, and the request that was running."""

    level: str
    message: str
    path: str
    request_id: str


@dataclass(frozen=True)
class Answered:
    """What a function answered, not yet judged by the gateway, and what it logged until then."""

    status: object
    headers: list[tuple[str, str]]
    body: bytes
    logs: list[Logged]


class WorkerLost(Exception):
    """The process ended, or was ended, before it answered.

    `reason` is for a log line, `logs` what came until then; `begun` tells whether the function was called at all.
    """

    def __init__(self, reason: str, logs: list[Logged], *, begun: bool, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.logs = logs
        self.begun = begun
        self.timed_out = timed_out


@dataclass(frozen=True)
class WorkerSetup:
    """What a container is made of. `handlers` and `assets` are as host.js reads them; `twilio_api` may be empty.

    `readable` are the files and folders of the build, `permissions` what `find_permission_flags` returned.
    """

    node: Path
    root: Path
    readable: tuple[Path, ...]
    permissions: tuple[str, ...]
    handlers: tuple[dict[str, str], ...]
    assets: tuple[dict[str, str], ...]
    twilio_api: str
    memory_mb: int


class Worker:
    """One Node process. Made by `launch`; `run` must not be called twice at the same time."""

    def __init__(
        self, process: asyncio.subprocess.Process, token: str, temporary: Path, on_late_log: Callable[[Logged], None]
    ) -> None:
        self._process = process
        self._temporary = temporary
        self._token = token.encode()
        self._on_late_log = on_late_log
        # None: no more frames will come.
        self._frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._errors = b""
        self._error_reader = asyncio.ensure_future(self._read_errors())
        self._frame_reader = asyncio.ensure_future(self._read_frames())
        self._running: str | None = None

    @classmethod
    async def launch(cls, setup: WorkerSetup, on_late_log: Callable[[Logged], None]) -> Worker:
        """Start a process and wait until it can take requests. Raises DeployError if it does not get that far."""
        token = secrets.token_hex(8)
        temporary = Path(tempfile.mkdtemp(dir=setup.root))
        process = await asyncio.create_subprocess_exec(
            setup.node,
            f"--max-old-space-size={setup.memory_mb}",
            *allow(setup.permissions, read=(*setup.readable, HOST_SCRIPT.parent), write=temporary),
            HOST_SCRIPT,
            cwd=setup.root,
            env=_environment(temporary),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_FRAME,
        )
        worker = cls(process, token, temporary, on_late_log)
        ready = None
        try:
            worker._send(
                {
                    "token": token,
                    "root": str(setup.root),
                    "temporary": str(temporary),
                    "handlers": setup.handlers,
                    "assets": setup.assets,
                    "twilioApi": setup.twilio_api,
                    "egress": describe_egress(os.environ),
                }
            )
            async with asyncio.timeout(_START_LIMIT):
                ready = await worker._frames.get()
        except TimeoutError:
            raise DeployError(
                "Node did not start",
                why=f"no sign of life within {_START_LIMIT:g} s",
                fix="run the command again when the machine is less busy",
            ) from None
        finally:
            if ready is None:
                await worker.stop()
        if ready is None:
            raise DeployError(
                "Node did not start",
                why=worker._last_words(),
                fix=find_installation().advise("local", again=True),
            )
        return worker

    @property
    def ended(self) -> bool:
        """Whether the process cannot take another request."""
        return self._process.returncode is not None or self._frame_reader.done()

    async def run(self, request: Mapping[str, object], time_limit: float) -> Answered:
        """Return what the function answers to a request.

        Raises WorkerLost when nothing came within `time_limit` seconds, or the process ended; it is of no use then.
        """
        self._running = str(request["id"])
        logs: list[Logged] = []
        begun = False
        try:
            self._send(request)
            async with asyncio.timeout(time_limit):
                while (frame := await self._frames.get()) is not None:
                    if frame["kind"] == "log":
                        logs.append(_to_logged(frame))
                    elif frame["kind"] == "begun":
                        begun = True
                    elif frame["kind"] == "answer" and frame["id"] == self._running:
                        headers = [(name, value) for name, value in frame["headers"]]
                        return Answered(frame["status"], headers, base64.b64decode(frame["body"]), logs)
        except TimeoutError:
            raise WorkerLost(f"no answer within {time_limit:g} s", logs, begun=begun, timed_out=True) from None
        finally:
            self._running = None
        raise WorkerLost(self._last_words(), logs, begun=begun)

    async def stop(self) -> None:
        """End the process, wait until it is gone, and remove what it wrote."""
        self._kill()
        await asyncio.gather(self._frame_reader, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    def _kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _send(self, frame: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(frame).encode() + b"\n")

    async def _read_frames(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, ConnectionError):
            while line := await self._process.stdout.readline():
                if line.startswith(self._token):
                    self._take(json.loads(line[len(self._token) :]))
        # Usually the process is ending by itself, and killing it in that moment would cost us its exit code. But frames
        # can end before the process does (one was too long, the descriptor was closed): it is of no use any more.
        try:
            async with asyncio.timeout(0.5):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        await self._error_reader
        self._frames.put_nowait(None)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["kind"] == "crash":
            self._errors = frame["reason"].encode()
        elif frame["kind"] == "log" and frame["id"] != self._running:
            self._on_late_log(_to_logged(frame))
        else:
            self._frames.put_nowait(frame)

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(65536):
            self._errors = (self._errors + chunk)[-8192:]

    def _last_words(self) -> str:
        text = self._errors.decode(errors="replace")
        if "heap out of memory" in text:
            return "the function ran out of memory"
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[0] if lines else f"the function ended its process (code {self._process.returncode})"


def _to_logged(frame: Mapping[str, Any]) -> Logged:
    return Logged(frame["level"], frame["message"], frame["path"] or "", frame["id"] or "")


def _environment(temporary: Path) -> dict[str, str]:
    own = dict.fromkeys((*TEMPORARY_VARIABLES, "HOME", *(["USERPROFILE"] if os.name == "nt" else [])), str(temporary))
    # The platform's clock is UTC; business hours that only work in the developer's zone must fail here.
    return clean_environment(_PASSED_ON) | own | {"TZ": "UTC", "LANG": "en_US.UTF-8"}
