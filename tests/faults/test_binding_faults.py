"""Binding numbers, with every request going wrong in every way: the next run ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.control.other_deployer import deploy
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.number_commands import bind, unbind
from ga_deploy.engine.numbers.settings import SETTING_NAMES
from ga_deploy.engine.session import open_session
from ga_deploy.errors import DeployError
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries, Timeouts
from ga_deploy.model.desired import Desired
from ga_deploy.model.numbers import NumberBinding
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT = Account(
    "AC" + "5" * 32,
    "token-of-account-5",
    numbers=[
        {"phone_number": "+15550100000", "voice_url": "https://ivr.example.com/a", "voice_method": "GET"},
        "+15550100001",
        {"phone_number": "+15550100002", "trunk_sid": "TK" + "6" * 32, "voice_fallback_url": "https://f.example/"},
    ],
)
WISHES = [NumberBinding("+15550100000"), NumberBinding("+15550100001", profile="es"), NumberBinding("+15550100002")]
DESIRED = Desired(
    account_sid=ACCOUNT.sid,
    service_name="GenerativeAgentService",
    environment="ui",
    domain_suffix=None,
    functions=(),
    function_set="/",
    engage_path="/engage",
    fingerprint="",
)

FAULTS: dict[str, dict[str, object]] = {
    "dropped before": {"action": "drop"},
    "dropped after": {"action": "drop", "processed": True},
    "500 for good": {"action": "status", "status": 500, "times": 20},
    "malformed": {"action": "malformed"},
    "refused": {"action": "status", "status": 403},
}


class Hasty:
    """A clock whose waits take no time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return at once."""


def settings_of(emulator: Emulator) -> dict[str, dict[str, str]]:
    """What a call to each number reaches; the domain, which differs from emulator to emulator, by a word."""
    [environment] = emulator.backend.store.rows("environments")
    numbers: dict[str, dict[str, str]] = {}
    for row in emulator.backend.store.rows("numbers"):
        settings = json.loads(row["settings"])
        shown = {name: settings[name] or "" for name in SETTING_NAMES}
        numbers[row["phone_number"]] = {k: v.replace(environment["domain_name"], "DOMAIN") for k, v in shown.items()}
    return numbers


def run(url: str, folder: Path, action: str) -> None:
    credentials = Credentials(ACCOUNT.sid, ACCOUNT.sid, Secret(ACCOUNT.auth_token))
    retries = Retries(attempts=3, throttled=3)
    with Gateway(
        credentials, endpoints=Endpoints.local(url), retries=retries, clock=Hasty(), timeouts=Timeouts(read=5)
    ) as gateway:
        session = open_session(
            gateway,
            DESIRED,
            state="sync",
            folder=folder,
            lock_timeout=0.5,
        )
        if action == "bind":
            results = bind(session, WISHES, force=True, agree=lambda in_use: None)
        else:
            results = unbind(session, None, force=False).results
        problems = [result.problem for result in results if result.problem is not None]
        if problems:
            raise problems[0]


@contextlib.contextmanager
def live_service() -> Iterator[tuple[Emulator, str]]:
    emulator = Emulator(accounts=[ACCOUNT])
    with EmulatorThread(emulator) as url:
        source = {"/engage": "exports.handler = (c, e, done) => done(null, '');"}
        deploy(emulator.backend, {"service": "GenerativeAgentService", "environment": "ui", "functions": source})
        yield emulator, url


OFTEN = ("dropped after", "500 for good", "refused")


@pytest.mark.parametrize(
    "fault", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
@pytest.mark.parametrize("action", ["bind", "unbind"])
def test_whatever_goes_wrong_the_next_run_sets_it_right(tmp_path: Path, action: str, fault: str) -> None:
    """In a fresh world each time the n-th request goes wrong; then comes a plain run, then all is given back."""
    with live_service() as (emulator, url):
        before = settings_of(emulator)
        run(url, tmp_path, "bind")
        bound = settings_of(emulator)
        if action == "unbind":
            emulator.journal.reset()
            run(url, tmp_path, "unbind")
        undisturbed = len(emulator.journal.report()["requests"])
    assert undisturbed > 8
    assert all(settings["voice_url"].startswith("https://DOMAIN/engage") for settings in bound.values())
    for nth in range(1, undisturbed + 1):
        with live_service() as (emulator, url):
            if action == "unbind":
                run(url, tmp_path, "bind")
            emulator.faults.add(Fault(nth=nth, **FAULTS[fault]))  # type: ignore[arg-type]
            with contextlib.suppress(DeployError):
                run(url, tmp_path, action)
            emulator.faults.clear()
            # The lease of a run that could not give it back lapses.
            emulator.backend.advance(120)
            run(url, tmp_path, action)
            assert settings_of(emulator) == (bound if action == "bind" else before), f"after request {nth}"
            run(url, tmp_path, "unbind")
            assert settings_of(emulator) == before, f"given back after request {nth}"
