"""Deployments of one service at the same time.

Two to one environment that cannot see each other's lock (two machines without access to Sync): Twilio lets the last
one win; neither's functions may be lost; whoever ends well is live, whoever stops says so. And first ones to several
environments, which share the service and its function resources: nothing is made twice.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.destroy import remove
from ga_deploy.engine.session import Session, hold, open_session
from ga_deploy.engine.timing import BuildTiming
from ga_deploy.engine.up import deploy
from ga_deploy.errors import DeployError, NotFound
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.model.bundle import MARKER, FunctionFile
from ga_deploy.model.desired import Desired
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ga_deploy.model.bundle import Visibility

ACCOUNT, TOKEN = "AC" + "0b" * 16, "emulated-token-0002"
SOURCE = "exports.handler = (context, event, callback) => callback(null, '{}');"


def make_wish(function_set: str, content: str) -> Desired:
    wanted: tuple[tuple[str, Visibility], ...] = (
        ("call-complete", "protected"),
        ("engage", "protected"),
        ("lib/settings", "private"),
    )
    files = tuple(
        FunctionFile(
            f"{function_set}{name}", visibility, f"{MARKER} set={function_set} file={name}\n{SOURCE.format(content)}\n"
        )
        for name, visibility in wanted
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


@contextmanager
def open_deployment(base_url: str, folder: Path, wish: Desired, state: str = "local") -> Iterator[Session]:
    with Gateway(Credentials(ACCOUNT, ACCOUNT, Secret(TOKEN)), endpoints=Endpoints.local(base_url)) as gateway:
        yield open_session(
            gateway,
            wish,
            state=state,
            folder=folder,
            timing=BuildTiming(poll=0.01),
            check_within=2.0,
        )


def up(base_url: str, folder: Path, wish: Desired, state: str = "local") -> DeployError | None:
    with open_deployment(base_url, folder, wish, state) as session:
        try:
            deploy(session, agree=lambda plan: None)
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
    return dump(emulator.backend, ACCOUNT)["services"]["ga"]["environments"]["ui"]


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


def make_wish_for(environment: str) -> Desired:
    return replace(
        make_wish("/", "one"), environment=environment, domain_suffix=None if environment == "ui" else environment
    )


def run_together(runs: list[Callable[[], object]], head_start: float) -> list[object]:
    ended: dict[int, object] = {}

    def run(place: int) -> None:
        ended[place] = runs[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(runs))]
    for thread in threads:
        thread.start()
        time.sleep(head_start)
    for thread in threads:
        thread.join()
    assert len(ended) == len(runs), "a run ended in something else than an error of ours"
    return [ended[place] for place in range(len(runs))]


def deploy_first(folder: Path, head_start: float, state: str) -> None:
    """First deployments of a new service to three environments; with a local state all on one machine."""
    names = ("ui", "dev", "test")
    emulator = Emulator(None, accounts=[Account(ACCOUNT, TOKEN)], latency_ms=10)
    with EmulatorThread(emulator) as base_url:
        ended = run_together(
            [lambda name=name: up(base_url, folder, make_wish_for(name), state) for name in names],  # type: ignore[misc]
            head_start,
        )
        assert ended == [None, None, None]
        there = dump(emulator.backend, ACCOUNT)
        [service] = there["services"].values()
        assert service["functions"] == dict.fromkeys(["/call-complete", "/engage", "/lib/settings"], 1), "nothing twice"
        for name in names:
            paths = service["environments"][name]["paths"]
            assert {f.path: f.sha256 for f in make_wish_for(name).functions} == {
                path: version["sha256"] for path, version in paths.items()
            }
        assert there["documents"] == {}, "no lock is left"


@pytest.mark.parametrize("state", ["sync", "local"])
def test_first_deployments_to_several_environments_make_nothing_twice(tmp_path: Path, state: str) -> None:
    for head_start in (0.0, 0.03):
        deploy_first(tmp_path / str(head_start), head_start, state)


@pytest.mark.slow
def test_first_deployments_make_nothing_twice_whenever_they_start(tmp_path: Path) -> None:
    for step in range(25):
        deploy_first(tmp_path / str(step), step * 0.005, "sync")


def run_beside_a_removal(folder: Path, head_start: float) -> None:
    emulator = Emulator(None, accounts=[Account(ACCOUNT, TOKEN)], latency_ms=10)
    with EmulatorThread(emulator) as base_url:
        assert up(base_url, folder, make_wish_for("ui"), "sync") is None

        def destroy() -> None:
            wish = make_wish_for("ui")
            with open_deployment(base_url, folder, wish, "sync") as session, hold(session, with_service=True):
                remove(session)

        _, stopped = run_together([destroy, lambda: up(base_url, folder, make_wish_for("dev"), "sync")], head_start)
        if stopped:
            # Its first look, which no lock protects, fell into the moment in which the service went.
            assert isinstance(stopped, NotFound)
            assert up(base_url, folder, make_wish_for("dev"), "sync") is None
        [service] = dump(emulator.backend, ACCOUNT)["services"].values()
        assert service["environments"].keys() == {"dev"}
        assert service["environments"]["dev"]["paths"].keys() == make_wish_for("dev").paths


def test_the_last_environment_is_not_removed_under_the_first_of_another(tmp_path: Path) -> None:
    """`destroy` takes the service along with its last environment, unless another is being made."""
    for head_start in (0.0, 0.1):
        run_beside_a_removal(tmp_path / str(head_start), head_start)


@pytest.mark.slow
def test_the_last_environment_is_not_removed_whenever_another_begins(tmp_path: Path) -> None:
    for step in range(25):
        run_beside_a_removal(tmp_path / str(step), step * 0.01)
