"""`destroy` disturbed at each of its requests, then run again: as if it had not been disturbed."""

from __future__ import annotations

import importlib.util
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.control.other_deployer import deploy as foreign_deploy
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.errors import DeployError

FAULTS: dict[str, dict[str, Any]] = {
    "500": {"action": "status", "status": 500, "times": 4},
    "500 after it took effect": {"action": "status", "status": 500, "processed": True, "times": 4},
    "dropped after": {"action": "drop", "processed": True, "times": 4},
    "malformed": {"action": "malformed"},
}
FOREIGN = {
    "service": "ga",
    "environment": "ui",
    "functions": {"/hello": "exports.handler = (c, e, cb) => cb(null, 'hi');"},
    "assets": {"/logo.svg": "<svg/>"},
    "variables": {"THEIR_KEY": "theirs"},
}


def _load_script() -> Any:
    spec = importlib.util.spec_from_file_location("one_up", Path(__file__).with_name("one_up.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


one_up = _load_script()


def play(is_adopted: bool, fault: Fault | None) -> tuple[dict[str, Any], int]:
    """Return the end state and how many requests the first `destroy` made."""
    emulator = Emulator(None, accounts=[Account(one_up.ACCOUNT, one_up.TOKEN, numbers=[one_up.NUMBER])])
    with EmulatorThread(emulator) as base_url, TemporaryDirectory() as name:
        if is_adopted:
            foreign_deploy(emulator.backend, FOREIGN)
        before = dump(emulator.backend, one_up.ACCOUNT)
        one_up.up(base_url, Path(name), "first")
        emulator.journal.reset()
        if fault:
            emulator.faults.add(fault)
            told = None
            try:
                one_up.destroy(base_url, Path(name), "first")
            except DeployError as error:
                told = error
            assert told is None or told.fix, str(told)
            emulator.faults.clear()
        one_up.destroy(base_url, Path(name), "first")
        count = emulator.journal.report()["count"]
        emulator.backend.advance(61)
        state = dump(emulator.backend, one_up.ACCOUNT)
        # The map of the account's numbers serves every environment, so it stays; nothing of this one is left in it.
        assert state["maps"].pop("ga-deploy.numbers", {}) == {}
        for service in (*state["services"].values(), *before["services"].values()):
            del service["spare"]
            # Containers that a spare build still holds, Twilio cleans up.
            service["functions"] = {
                path: n for path, n in service["functions"].items() if path in {"/hello", "/logo.svg"}
            }
        assert state == before
        return state, count


@cache
def count_requests(is_adopted: bool) -> int:
    return play(is_adopted, None)[1]


def cases(step: int) -> list[tuple[bool, int, str]]:
    faults = cycle(FAULTS)
    return [
        (is_adopted, nth, next(faults))
        for is_adopted in (False, True)
        for nth in range(1, count_requests(is_adopted) + 1, step)
    ]


def run_all(chosen: list[tuple[bool, int, str]]) -> None:
    for is_adopted, nth, fault in chosen:
        try:
            play(is_adopted, Fault(nth=nth, **FAULTS[fault]))
        except (AssertionError, DeployError) as error:
            raise AssertionError(f"adopted: {is_adopted}, request {nth}, {fault}") from error


def test_destroy_goes_on_where_it_was_stopped() -> None:
    run_all(cases(step=5))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_destroy_goes_on_wherever_it_was_stopped() -> None:
    run_all([(a, nth, fault) for a, nth, _ in cases(step=1) for fault in FAULTS])
