"""For every request that `up` makes, in turn: everything that can go wrong with it. Then a plain `up` sets all right.

The end state is compared with that of an undisturbed run: what is live, variables, numbers, the record, no lock left,
no function twice, everything foreign as it was. Spare versions and builds, which Twilio cleans up, do not count.
"""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.control.other_deployer import deploy as foreign_deploy
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.core.rules import Rules
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.lock.lease import LEASE_SECONDS
from ga_deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("one_up.py")
ROOT = Path(__file__).parents[2]


def _load_script() -> Any:
    spec = importlib.util.spec_from_file_location("one_up", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


one_up = _load_script()

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"action": "status", "status": 429},
    "500": {"action": "status", "status": 500},
    "500 after it took effect": {"action": "status", "status": 500, "processed": True},
    "503 with HTML": {"action": "status", "status": 503},
    "dropped before": {"action": "drop"},
    "dropped after": {"action": "drop", "processed": True},
    "malformed": {"action": "malformed"},
    "stall before": {"action": "stall", "seconds": 2.0},
    "stall after": {"action": "stall", "seconds": 2.0, "processed": True},
}
KILLS: dict[str, dict[str, Any]] = {
    "killed before": {"action": "stall", "seconds": 20.0},
    "killed after": {"action": "stall", "seconds": 20.0, "processed": True},
}
SCENARIOS = ("fresh", "adopted", "update")
FOREIGN = {
    "service": "ga",
    "environment": "ui",
    "functions": {"/hello": "exports.handler = (c, e, cb) => cb(null, 'hi');"},
    "assets": {"/logo.svg": "<svg/>"},
    "dependencies": {"lodash": "4.17.21"},
    "variables": {"THEIR_KEY": "theirs", "HOOK_KEY_OLD": "theirs too"},
    "runtime": "node20",
}


@contextmanager
def arranged(scenario: str) -> Iterator[tuple[Emulator, str, Path, str]]:
    """Give an emulator in which the scenario is set up, its URL, a folder, and the wish that is to be deployed."""
    # Twilio may take DOMAIN_NAME as a variable or refuse it; both have to end well.
    rules = Rules(refuse_reserved_keys=scenario == "fresh")
    emulator = Emulator(None, accounts=[Account(one_up.ACCOUNT, one_up.TOKEN, numbers=[one_up.NUMBER])], rules=rules)
    thread = EmulatorThread(emulator)
    base_url = thread.start()
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            if scenario != "fresh":
                foreign_deploy(emulator.backend, FOREIGN)
            if scenario == "update":
                one_up.up(base_url, folder, "first")
            emulator.journal.reset()
            yield emulator, base_url, folder, "second" if scenario == "update" else "first"
    finally:
        thread.stop()


def end_state(emulator: Emulator) -> dict[str, Any]:
    state = json.loads(json.dumps(dump(emulator.backend, one_up.ACCOUNT)))
    for service in state["services"].values():
        del service["spare"]
    for items in state["maps"].values():
        for item in items.values():
            # Of one run alone: its time, and the record's own salt with what is made of it.
            for key in ("when", "check", "salt", "variables_digest"):
                item.pop(key, None)
            variables = item.get("variables")
            for variable in variables.values() if isinstance(variables, dict) else ():
                variable.pop("fingerprint", None)
    return state


@cache
def undisturbed(scenario: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the end state of an undisturbed run, and the requests it made, in order, without SIDs."""
    with arranged(scenario) as (emulator, base_url, folder, wish):
        one_up.up(base_url, folder, wish)
        requests = tuple(
            re.sub(r"\b[A-Z]{2}[0-9a-f]{32}\b|\?.*", "", f"{request['method']} {request['target']}")
            for request in emulator.journal.report()["requests"]
        )
        again = one_up.up(base_url, folder, wish)
        assert again.outcome is None
        return end_state(emulator), requests


def check_recovery(emulator: Emulator, base_url: str, folder: Path, wish: str, scenario: str) -> None:
    emulator.faults.clear()
    one_up.up(base_url, folder, wish)
    # A run that was killed with nothing left to do but to unlock: its lock lapses, for a next run takes none.
    emulator.backend.advance(LEASE_SECONDS + 1)
    assert end_state(emulator) == undisturbed(scenario)[0]
    emulator.journal.reset()
    assert one_up.up(base_url, folder, wish).outcome is None
    writes = emulator.journal.report(only=r"^(POST|DELETE)")["requests"]
    assert writes == [], "a further run writes nothing"


def disturb(scenario: str, nth: int, fault: str) -> None:
    with arranged(scenario) as (emulator, base_url, folder, wish):
        emulator.faults.add(Fault(nth=nth, **FAULTS[fault]))
        told = None
        try:
            one_up.up(base_url, folder, wish)
        except DeployError as error:
            told = error
        assert told is None or told.fix, f"no fix is told: {told}"
        check_recovery(emulator, base_url, folder, wish, scenario)


def kill(scenario: str, nth: int, when: str) -> None:
    with arranged(scenario) as (emulator, base_url, folder, wish):
        emulator.faults.add(Fault(nth=nth, **KILLS[when]))
        command = [sys.executable, str(SCRIPT), base_url, str(folder), wish]
        process = subprocess.Popen(command, env={"PYTHONPATH": str(ROOT), "PATH": ""}, stderr=subprocess.PIPE)
        try:
            wait_for_fault(emulator, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        check_recovery(emulator, base_url, folder, wish, scenario)


def wait_for_fault(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not emulator.faults.describe()[0]["hits"]:
        if process.poll() is not None:
            _, told = process.communicate()
            pytest.fail(f"it ended before that request: {told.decode()}")
        assert time.monotonic() < deadline
        time.sleep(0.005)
    # What a processed request did is done by then: the emulator processes it before it stalls.
    time.sleep(0.02)


def some() -> list[tuple[str, int, str]]:
    """One request of each kind, the faults in turn; but for the adopted service, only requests that write."""
    faults = cycle([*FAULTS, *KILLS])
    chosen = []
    for scenario in SCENARIOS:
        _, requests = undisturbed(scenario)
        for kind in dict.fromkeys(requests):
            if scenario != "adopted" and kind.startswith("GET"):
                continue
            chosen.append((scenario, requests.index(kind) + 1, next(faults)))
    return chosen


def every() -> list[tuple[str, int, str]]:
    return [
        (scenario, nth, fault)
        for scenario in SCENARIOS
        for nth in range(1, len(undisturbed(scenario)[1]) + 1)
        for fault in (*FAULTS, *KILLS)
    ]


def run(scenario: str, nth: int, fault: str) -> None:
    if fault in KILLS:
        kill(scenario, nth, fault)
    else:
        disturb(scenario, nth, fault)


def run_all(cases: list[tuple[str, int, str]]) -> None:
    failures = []
    for scenario, nth, fault in cases:
        try:
            run(scenario, nth, fault)
        except (AssertionError, DeployError) as error:
            what = (
                f"{getattr(error, 'what', '')}: {getattr(error, 'why', '')}"
                if isinstance(error, DeployError)
                else error
            )
            failures.append(f"{scenario} {nth} ({undisturbed(scenario)[1][nth - 1]}) {fault}: {what}")
    assert not failures, f"{len(failures)} of {len(cases)}:\n" + "\n".join(failures)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_kind_of_request_survives_a_fault(scenario: str) -> None:
    run_all([case for case in some() if case[0] == scenario])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_request_survives_every_fault(scenario: str) -> None:
    run_all([case for case in every() if case[0] == scenario])
