"""What `--local` talks to: the embedded emulator with the mock ASAPP, started in this process or found running.

The state is kept in `.ga-deploy` beside the config and the port is kept with it, so that what one command deployed
the next one finds under the same URLs. A running `ga-deploy emulator` of the same folder is used; two
short commands at once take turns. GA_DEPLOY_EMULATOR=http://127.0.0.1:PORT names another emulator on loopback.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.advisory_lock import try_lock
from ga_deploy.errors import DeployError, Usage
from ga_deploy.folders import make_private_folder, open_private_file, user_cache, write_private_file
from ga_deploy.installation import find_installation
from ga_deploy.local_stack import ACCOUNT_SID, ASAPP_API_ID, ASAPP_API_SECRET, AUTH_TOKEN, LocalStack, find_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ga_deploy.emulator.server import EmulatorThread

__all__ = [
    "ACCOUNT_SID",
    "ASAPP_API_ID",
    "ASAPP_API_SECRET",
    "AUTH_TOKEN",
    "LocalStack",
    "npm_cache",
    "open_stack",
    "require_node",
    "running_stack",
    "serve_stack",
]

TURN_TIMEOUT_S = 120.0


@contextmanager
def open_stack(state_dir: Path) -> Iterator[LocalStack]:
    """Give a running stack for the project whose state lives in `state_dir`; what was started here ends with it.

    Raises `DeployError` when the extra `local` is missing, or when the emulator cannot start.
    """
    if given := os.environ.get("GA_DEPLOY_EMULATOR"):
        stack = find_stack(_require_loopback(given))
        stack.control("GET", "/health")
        yield stack
        return
    with _open_lock(state_dir) as lock:
        if running := _take_turn(lock):
            yield running
            return
        with running_stack(state_dir, port=None) as stack:
            yield stack


def require_node(state_dir: Path) -> None:
    """Raise `DeployError` if the emulator that `open_stack` would give has no Node. Makes and starts nothing."""
    from ga_deploy.emulator.functions.npm import NodeTools

    running = _find_running(state_dir)
    if running is None:
        NodeTools.find()
    elif running.control("GET", "/health").get("node") is False:
        raise DeployError(
            "Node is not installed",
            why=f"the emulator at {running.base_url} runs functions in Node, and does not find it",
            fix=f"{find_installation().advise('local')} where the emulator is installed, and start it again",
        )


def _find_running(state_dir: Path) -> LocalStack | None:
    """Return the emulator that runs already: the one that GA_DEPLOY_EMULATOR names, or this folder's."""
    if given := os.environ.get("GA_DEPLOY_EMULATOR"):
        return find_stack(_require_loopback(given))
    try:
        with (state_dir / "emulator.lock").open("r", encoding="utf-8") as lock:
            return _find_holder(lock)
    except OSError:
        return None


@contextmanager
def serve_stack(state_dir: Path, port: int) -> Iterator[LocalStack]:
    """Run the stack on `port` (0: any free one) for others to find, until the context ends.

    Raises `DeployError` when the port is in use or another emulator of this folder is running.
    """
    with _open_lock(state_dir) as lock:
        if not try_lock(lock):
            running = _find_holder(lock)
            raise DeployError(
                "an emulator is running in this folder already",
                why=running.base_url if running else "another command uses it right now",
                fix="use that one, or end it first",
            )
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
        from ga_deploy.emulator.core.accounts import Account
        from ga_deploy.emulator.server import Emulator, EmulatorThread
    except ModuleNotFoundError as error:
        raise DeployError(
            "the emulator is not installed",
            why=f"the Python package `{error.name}` is missing",
            fix=find_installation().advise("local"),
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
        write_private_file(remembered, json.dumps({"port": urlsplit(base_url).port}))
        yield LocalStack(base_url, emulator.control_token)
    finally:
        thread.stop()


def npm_cache() -> Path:
    """Where installed npm dependency sets are kept for all projects of this user."""
    return user_cache() / "npm"


def _is_loopback(url: object) -> bool:
    try:
        parts = urlsplit(str(url))
        return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"} and bool(parts.port)
    except ValueError:
        return False


def _require_loopback(url: str) -> str:
    if not _is_loopback(url):
        raise Usage(
            "GA_DEPLOY_EMULATOR does not name an emulator",
            why=f"`{url}` is not of the form http://127.0.0.1:PORT",
            fix="set it to the URL that `ga-deploy emulator` prints, or unset it",
        )
    return url.rstrip("/")


def _open_lock(state_dir: Path) -> IO[str]:
    try:
        make_private_folder(state_dir)
        return open_private_file(state_dir / "emulator.lock")
    except OSError as error:
        raise DeployError(
            f"the emulator's folder {state_dir} cannot be used", why=str(error), fix="make it writable"
        ) from error


def _take_turn(lock: IO[str]) -> LocalStack | None:
    """Hold the folder's lock and return None; or return the running emulator that holds it for others to use."""
    deadline = time.monotonic() + TURN_TIMEOUT_S
    while not try_lock(lock):
        if running := _find_holder(lock):
            return running
        if time.monotonic() > deadline:
            raise DeployError(
                "another `ga-deploy --local` is at work in this folder",
                why=f"it has not ended within {TURN_TIMEOUT_S:.0f} s",
                fix="wait for it, or end it, then run this again",
            )
        time.sleep(0.1)
    # What a killed emulator wrote here is not true any more.
    _write_holder(lock, {})
    return None


def _find_holder(lock: IO[str]) -> LocalStack | None:
    """Return the emulator that the lock file names, if it is on loopback and answers: the file may outlive it."""
    lock.seek(0)
    try:
        url = json.loads(lock.read() or "{}")["url"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not _is_loopback(url):
        return None
    stack = find_stack(str(url).rstrip("/"))
    try:
        healthy = stack.control("GET", "/health", timeout=5).get("status") == "ok"
    except (DeployError, AttributeError):
        return None
    return stack if healthy else None


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
