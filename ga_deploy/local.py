"""What `--local` talks to: the embedded emulator with the mock ASAPP, started in this process or found running.

The state is kept in `.ga-deploy` beside the config and the port is kept with it, so that what one command deployed
the next one finds under the same URLs. A running `ga-deploy emulator` of the same folder is used; two
short commands at once take turns. GA_DEPLOY_EMULATOR=http://127.0.0.1:PORT names another emulator on loopback.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.config.load import LocalStandIn
from ga_deploy.errors import DeployError, Usage
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ga_deploy.emulator.server import EmulatorThread

# The emulator's own account: made up, the same everywhere, and worth nothing outside of it.
ACCOUNT_SID = "AC10ca10ca10ca10ca10ca10ca10ca10ca"
AUTH_TOKEN = "local-emulator-token"  # noqa: S105
ASAPP_API_ID = "local-asapp-api-id"
ASAPP_API_SECRET = "local-asapp-api-secret"  # noqa: S105
TURN_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class LocalStack:
    """A running emulator: `base_url` without a trailing slash, the mock ASAPP below it at `/asapp`."""

    base_url: str

    @property
    def asapp_url(self) -> str:
        """Base URL of the mock ASAPP."""
        return f"{self.base_url}/asapp"

    @property
    def stand_in(self) -> LocalStandIn:
        """The credentials and the ASAPP host that take the place of the config's."""
        return LocalStandIn(
            account_sid=ACCOUNT_SID,
            auth_token=Secret(AUTH_TOKEN),
            asapp_host=self.asapp_url,
            api_id=Secret(ASAPP_API_ID),
            api_secret=Secret(ASAPP_API_SECRET),
        )

    def own_numbers(self, numbers: Sequence[str]) -> None:
        """Let the emulated account own these numbers (E.164); those that it owns already stay as they are."""
        if numbers:
            self.control("POST", "/numbers", {"account_sid": ACCOUNT_SID, "numbers": list(numbers)})

    def control(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Ask the emulator's control plane (`/_emulator…`); raises `DeployError` when it does not answer."""
        request = urllib.request.Request(  # noqa: S310 - the URL is our own loopback one
            f"{self.base_url}/_emulator{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # No proxy: this is loopback, and a proxy that is set for the outside would answer instead.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                answered: dict[str, object] = json.loads(answer.read() or b"{}")
                return answered
        except (OSError, ValueError) as error:
            raise DeployError(
                f"no emulator answers at {self.base_url}",
                why=str(error),
                fix="start one with `ga-deploy emulator`, or unset GA_DEPLOY_EMULATOR",
            ) from None


@contextmanager
def open_stack(state_dir: Path) -> Iterator[LocalStack]:
    """Give a running stack for the project whose state lives in `state_dir`; what was started here ends with it.

    Raises `DeployError` when the extra `local` is missing, or when the emulator cannot start.
    """
    if given := os.environ.get("GA_DEPLOY_EMULATOR"):
        stack = LocalStack(_loopback(given))
        stack.control("GET", "/health")
        yield stack
        return
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "emulator.lock").open("a+") as lock:
        if running := _take_turn(lock):
            yield LocalStack(running)
            return
        with running_stack(state_dir, port=None) as stack:
            yield stack


@contextmanager
def serve_stack(state_dir: Path, port: int) -> Iterator[LocalStack]:
    """Run the stack on `port` (0: any free one) for others to find, until the context ends.

    Raises `DeployError` when the port is in use or another emulator of this folder is running.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "emulator.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeployError(
                "an emulator is running in this folder already",
                why=_holder(lock).get("url", "another command uses it right now"),
                fix="use that one, or end it first",
            ) from None
        with running_stack(state_dir, port=port) as stack:
            _write_holder(lock, {"url": stack.base_url})
            try:
                yield stack
            finally:
                _write_holder(lock, {})


@contextmanager
def running_stack(state_dir: Path, port: int | None) -> Iterator[LocalStack]:
    """Start emulator and mock in a thread of this process. `port` None: the one this folder had, if it is free."""
    try:
        from ga_deploy.asapp_mock.server import MockAsapp
        from ga_deploy.emulator.accounts import Account
        from ga_deploy.emulator.server import Emulator, EmulatorThread
    except ModuleNotFoundError as error:
        raise DeployError(
            "the emulator is not installed",
            why=f"the Python package `{error.name}` is missing",
            fix="run `pip install 'ga-deploy[local]'`",
        ) from None
    remembered = state_dir / "emulator.json"
    emulator = Emulator(
        state_dir / "emulator.sqlite3",
        accounts=[Account(ACCOUNT_SID, AUTH_TOKEN, friendly_name="ga-deploy --local")],
        npm_cache=npm_cache(),
        asapp=MockAsapp(api_id=ASAPP_API_ID, api_secret=ASAPP_API_SECRET),
    )
    thread = EmulatorThread(emulator)
    base_url = _start(thread, _remembered_port(remembered)) if port is None else thread.start(port)
    try:
        remembered.write_text(json.dumps({"port": urlsplit(base_url).port}), encoding="utf-8")
        yield LocalStack(base_url)
    finally:
        thread.stop()


def npm_cache() -> Path:
    """Where installed npm dependency sets are kept for all projects of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ga-deploy" / "npm"


def _loopback(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"} and bool(parts.port)
    except ValueError:
        is_local = False
    if not is_local:
        raise Usage(
            "GA_DEPLOY_EMULATOR does not name an emulator",
            why=f"`{url}` is not of the form http://127.0.0.1:PORT",
            fix="set it to the URL that `ga-deploy emulator` prints, or unset it",
        )
    return url.rstrip("/")


def _take_turn(lock: IO[str]) -> str | None:
    """Hold the folder's lock and return None; or return the URL of the emulator that holds it for others to use."""
    deadline = time.monotonic() + TURN_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if url := _holder(lock).get("url"):
                return url
            if time.monotonic() > deadline:
                raise DeployError(
                    "another `ga-deploy --local` is at work in this folder",
                    why=f"it has not ended within {TURN_TIMEOUT_S:.0f} s",
                    fix="wait for it, or end it, then run this again",
                ) from None
            time.sleep(0.1)
        else:
            return None


def _holder(lock: IO[str]) -> dict[str, str]:
    lock.seek(0)
    try:
        held = json.loads(lock.read() or "{}")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _write_holder(lock: IO[str], holder: dict[str, str]) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(holder) if holder else "")
    lock.flush()


def _remembered_port(remembered: Path) -> int:
    try:
        port = json.loads(remembered.read_text(encoding="utf-8"))["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return port if isinstance(port, int) and 0 < port < 65536 else 0


def _start(thread: EmulatorThread, port: int) -> str:
    """Start on the remembered port, or on any when that one is taken by now; URLs then change, and `up` says so."""
    if port:
        try:
            return thread.start(port)
        except DeployError:
            pass  # in use by now
    return thread.start(0)
