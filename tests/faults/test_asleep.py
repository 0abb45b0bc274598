"""`ga-deploy up`, asleep (SIGSTOP) past its lease at any of its requests, another run in between: it writes no more.

The sleeper is the real command in a process of its own, whose lease is short (`GA_DEPLOY_LEASE_SECONDS`). It is stopped
while one of its requests is being answered; another machine deploys meanwhile; then it wakes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.local import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LEASE = 6
LOCK = "ga-deploy.lock.GenerativeAgentService.ui"
CONFIG = """\
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: https://api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {support: {number: "+15550100001"}}
outcomes:
  agent: [{say: GREETING}, {send: support}]
  dropped: [{send: support}]
  unknown: [{send: support}]
  failed: [{send: support}]
variables: {WHO: "WHOSE"}
phone_numbers: [NUMBERS]
"""
EARLIER, MINE, THEIRS = "+15550100000", "+15550100002", "+15550100003"


@dataclass
class Machine:
    """A clone of the config on a machine of its own: another folder, another greeting, variable and number."""

    folder: Path
    base_url: str

    def configure(self, who: str, *numbers: str) -> None:
        listed = ", ".join(f'{{number: "{number}"}}' for number in numbers)
        text = CONFIG.replace("GREETING", f"This is {who}.").replace("WHOSE", who).replace("NUMBERS", listed)
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.yaml").write_text(text)

    def start(self, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ga_deploy", "--local", "-c", str(self.folder / "config.yaml"), "up", "--yes"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "GA_DEPLOY_EMULATOR": self.base_url, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self) -> None:
        with self.start() as process:
            _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told


@contextmanager
def two_machines(folder: Path, *, fresh: bool) -> Iterator[tuple[Emulator, Machine, Machine]]:
    account = Account(ACCOUNT_SID, AUTH_TOKEN, numbers=[EARLIER, MINE, THEIRS])
    emulator = Emulator(None, accounts=[account])
    folder.mkdir()
    with EmulatorThread(emulator) as base_url:
        mine, theirs = Machine(folder / "mine", base_url), Machine(folder / "theirs", base_url)
        if not fresh:
            mine.configure("earlier", EARLIER)
            mine.up()
        mine.configure("mine", EARLIER, MINE)
        theirs.configure("theirs", EARLIER, THEIRS)
        emulator.journal.reset()
        yield emulator, mine, theirs


def end_state(emulator: Emulator) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(json.dumps(dump(emulator.backend, ACCOUNT_SID)))
    return state


def count_requests(folder: Path, *, fresh: bool) -> list[str]:
    """Return the requests of an undisturbed run, in order."""
    with two_machines(folder, fresh=fresh) as (emulator, mine, _):
        mine.up()
        return [f"{request['method']} {request['target']}" for request in emulator.journal.report()["requests"]]


def sleep_at(folder: Path, fault: Fault, *, fresh: bool) -> str:
    """Put the command to sleep at a request; return what was wrong, and nothing if all was well."""
    with two_machines(folder, fresh=fresh) as (emulator, mine, theirs):
        emulator.faults.add(fault)
        with mine.start(GA_DEPLOY_LEASE_SECONDS=str(LEASE)) as sleeper:
            try:
                if not _fell_asleep(emulator, sleeper):
                    # A run may have one poll of the build less than another.
                    return ""
                asleep_since = time.monotonic()
                had_lock = LOCK in end_state(emulator)["documents"]
                emulator.faults.clear()
                emulator.backend.advance(LEASE + 1)
                theirs.up()
                before = end_state(emulator)
                time.sleep(max(0.0, LEASE + 0.2 - (time.monotonic() - asleep_since)))
                sleeper.send_signal(signal.SIGCONT)
                _, told = sleeper.communicate(timeout=120)
            finally:
                sleeper.kill()
        after = end_state(emulator)
        if not had_lock:
            # Nothing was decided yet: it went on as one that was started just now.
            return "" if sleeper.returncode in (0, 5) else f"exit {sleeper.returncode}: {told}"
        if sleeper.returncode != 5:
            return f"exit {sleeper.returncode} instead of 5: {told}"
        if "has expired" not in told or "nobody has it now" not in told:
            return f"it does not tell whose the lock is: {told}"
        return "" if _without_lock(before) == _without_lock(after) else "it wrote on"


def _fell_asleep(emulator: Emulator, sleeper: subprocess.Popen[str]) -> bool:
    while not emulator.faults.describe()[0]["hits"]:
        if sleeper.poll() is not None:
            return False
        time.sleep(0.002)
    sleeper.send_signal(signal.SIGSTOP)
    # What it had sent by then arrives.
    time.sleep(0.3)
    return True


def _without_lock(state: dict[str, Any]) -> dict[str, Any]:
    # A lock whose creation was answered while its maker slept is left to lapse.
    return {**state, "documents": {name: lock for name, lock in state["documents"].items() if name != LOCK}}


def sleep_at_all(folder: Path, faults: list[Fault], *, fresh: bool = False) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {
            pool.submit(sleep_at, folder / str(place), fault, fresh=fresh): fault for place, fault in enumerate(faults)
        }
        wrong = [f"{fault.method} {fault.path} {fault.nth}: {f.result()}" for f, fault in futures.items() if f.result()]
    assert not wrong, "\n".join(wrong)


def stall(nth: int = 1, method: str = "", path: str = "", *, processed: bool = True) -> Fault:
    return Fault("stall", method, path, nth=nth, processed=processed, seconds=3.0)


def test_who_slept_past_the_lease_writes_nothing_more(tmp_path: Path) -> None:
    """Before the build is activated, and before numbers: two of the places where it did most harm."""
    sleep_at_all(tmp_path, [stall(path=r"/Builds/ZB\w+/Status"), stall(path=r"^/site/engage")], fresh=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fresh", [False, True], ids=["an update", "a first deployment"])
def test_who_slept_at_any_request_writes_nothing_more(tmp_path: Path, fresh: bool) -> None:
    requests = count_requests(tmp_path / "count", fresh=fresh)
    assert len(requests) > 25
    faults = [stall(nth) for nth in range(1, len(requests) + 1)]
    faults += [stall(nth, processed=False) for nth, request in enumerate(requests, 1) if not request.startswith("GET")]
    sleep_at_all(tmp_path, faults, fresh=fresh)
