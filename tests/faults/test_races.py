"""Two deployments of one service at once that cannot see each other's lock: two machines without access to Sync.

Twilio lets the last deployment win. Neither's functions may be lost: whoever ends well is live, whoever stops says so.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.accounts import Account
from ga_deploy.emulator.control import dump
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.builds import BuildTiming
from ga_deploy.engine.deployment import Target, deploy
from ga_deploy.errors import DeployError
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.model import MARKER, Desired, FunctionFile
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, TOKEN = "AC" + "0b" * 16, "emulated-token-0002"
SOURCE = "exports.handler = (context, event, callback) => callback(null, '{}');"


def make_wish(function_set: str, content: str) -> Desired:
    files = tuple(
        FunctionFile(
            f"{function_set}{name}", visibility, f"{MARKER} set={function_set} file={name}\n{SOURCE.format(content)}\n"
        )
        for name, visibility in (("call-complete", "protected"), ("engage", "protected"), ("lib/settings", "private"))
    )
    return Desired(
        account_sid=ACCOUNT,
        service_name="ga",
        environment="ui",
        domain_suffix=None,
        functions=files,
        function_set=function_set,
        engage_path=f"{function_set}engage",
        fingerprint=content,
        dependencies={"axios": "1.20.0", **({"dayjs": "1.11.13"} if function_set != "/" else {})},
        variables={"ASAPP_API_ID": "the-same-id"},
    )


def up(base_url: str, folder: Path, wish: Desired) -> DeployError | None:
    with Gateway(Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)), endpoints=Endpoints.local(base_url)) as gateway:
        target = Target(
            platform=gateway,
            desired=wish,
            state="local",
            folder=folder,
            timing=BuildTiming(poll=0.01),
            check_within=2.0,
        )
        try:
            deploy(target, agree=lambda plan: None)
        except DeployError as error:
            return error
        return None


def race(base_url: str, folder: Path, content: str, head_start: float) -> dict[str, DeployError | None]:
    ended: dict[str, DeployError | None] = {}

    def run(function_set: str) -> None:
        name = function_set.strip("/") or "root"
        ended[function_set] = up(base_url, folder / name, make_wish(function_set, content))

    first, second = (threading.Thread(target=run, args=(name,)) for name in ("/", "/sales/"))
    first.start()
    time.sleep(head_start)
    second.start()
    first.join()
    second.join()
    assert ended.keys() == {"/", "/sales/"}, "a deployment ended in something else than an error of ours"
    return ended


def live(emulator: Emulator) -> dict[str, Any]:
    return dump(emulator.world, ACCOUNT)["services"]["ga"]["environments"]["ui"]


def check_live(emulator: Emulator, function_set: str, content: str) -> None:
    there = {path: version["sha256"] for path, version in live(emulator)["paths"].items()}
    assert {file.path: file.sha256 for file in make_wish(function_set, content).functions}.items() <= there.items()


def run_races(folder: Path, head_starts: list[float]) -> None:
    emulator = Emulator(None, accounts=[Account(ACCOUNT, TOKEN)], latency_ms=15)
    with EmulatorThread(emulator) as base_url:
        for turn, head_start in enumerate(head_starts):
            content = f"turn {turn}"
            for function_set, error in race(base_url, folder, content, head_start).items():
                if error is None:
                    check_live(emulator, function_set, content)
                else:
                    assert "meanwhile" in error.what or "while this deployment" in error.what or "keeps" in error.what
                    assert (
                        up(base_url, folder / (function_set.strip("/") or "root"), make_wish(function_set, content))
                        is None
                    )
            for function_set in ("/", "/sales/"):
                check_live(emulator, function_set, content)
            assert {"axios", "dayjs"} <= live(emulator)["dependencies"].keys()


def test_neither_is_lost(tmp_path: Path) -> None:
    run_races(tmp_path, [0.0, 0.1])


@pytest.mark.slow
def test_neither_is_lost_whenever_the_other_starts(tmp_path: Path) -> None:
    run_races(tmp_path, [step * 0.02 for step in range(25)])
