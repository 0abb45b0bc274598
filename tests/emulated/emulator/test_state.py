"""The state outlives the process, whatever ended it, and forgets what Twilio forgets."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.errors import DeployError
from tests.emulated.emulator.conftest import ACCOUNT, Api, Shop

SOURCE = "exports.handler = (context, event, callback) => callback();"

RUN = """
import asyncio, sys
from pathlib import Path
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator

async def main():
    emulator = Emulator(Path(sys.argv[1]), accounts=[Account(sys.argv[2], sys.argv[3])])
    print(await emulator.start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_emulator_has_kept_all_it_answered(tmp_path: Path) -> None:
    state = tmp_path / "folder" / "emulator.sqlite3"
    names: list[str] = []
    for round_ in range(3):
        command = [sys.executable, "-c", RUN, str(state), ACCOUNT.sid, ACCOUNT.auth_token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            api = Api(process.stdout.readline().strip())
            listed = api.get("/serverless/v1/Services").json()["services"]
            assert [service["unique_name"] for service in listed] == names[::-1]
            for number in range(5):
                names.append(f"s{round_}-{number}")
                api.make("/serverless/v1/Services", UniqueName=names[-1], FriendlyName="s")
            os.kill(process.pid, signal.SIGKILL)


def test_two_emulators_do_not_share_a_state(tmp_path: Path) -> None:
    state = tmp_path / "emulator.sqlite3"
    with EmulatorThread(Emulator(state, accounts=[ACCOUNT])):
        second = EmulatorThread(Emulator(state, accounts=[ACCOUNT]))
        with pytest.raises(DeployError, match="in use") as problem:
            second.start()
    assert problem.value.fix
    with EmulatorThread(Emulator(state, accounts=[ACCOUNT])) as base_url:
        assert Api(base_url).get("/serverless/v1/Services").status_code == 200


@pytest.mark.parametrize("content", [b"this is no database, and long enough not to be taken for an empty one", None])
def test_a_state_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None) -> None:
    state = tmp_path / "emulator.sqlite3"
    if content is None:
        with sqlite3.connect(state) as newer:
            newer.execute("PRAGMA user_version=999")
        newer.close()
    else:
        state.write_bytes(content)

    with pytest.raises(DeployError, match="cannot be used") as problem:
        EmulatorThread(Emulator(state, accounts=[ACCOUNT])).start()

    assert str(state) in problem.value.fix


def test_a_port_in_use_is_said() -> None:
    with EmulatorThread(Emulator(accounts=[ACCOUNT])) as base_url:
        port = int(base_url.rsplit(":", 1)[1])
        with pytest.raises(DeployError, match=f"port {port} is in use"):
            EmulatorThread(Emulator(accounts=[ACCOUNT])).start(port)


def test_twilio_forgets_after_a_week_but_never_what_is_live(api: Api, shop: Shop) -> None:
    live, spare, unbuilt = (api.function(shop.service, path, SOURCE) for path in ("/live", "/spare", "/unbuilt"))
    build = api.build(shop.service, live)["sid"]
    other = api.build(shop.service, spare)["sid"]
    api.make(f"{shop.inside}/Deployments", BuildSid=build)
    api.make(f"{shop.url}/Functions", FriendlyName="empty")

    def left() -> tuple[set[str], set[str]]:
        functions = {one["friendly_name"] for one in api.get(f"{shop.url}/Functions").json()["functions"]}
        return functions, {one["sid"] for one in api.get(f"{shop.url}/Builds").json()["builds"]}

    api.control("/clock", {"advance": 6 * 86400})
    assert left() == ({"/live", "/spare", "/unbuilt", "empty"}, {build, other})
    api.control("/clock", {"advance": 2 * 86400})
    assert left() == ({"/live"}, {build})
    assert api.get(f"{shop.url}/Builds/{build}").json()["function_versions"][0]["sid"] == live
    assert unbuilt


def test_the_clock_moves_dates_and_headers_and_survives(tmp_path: Path, start: Callable[..., Api]) -> None:
    state = tmp_path / "emulator.sqlite3"
    with EmulatorThread(Emulator(state, accounts=[ACCOUNT])) as base_url:
        before = Api(base_url).control("/clock")["now"]
        assert Api(base_url).control("/clock", {"advance": 400 * 86400})["now"] > before + 399 * 86400
    api = start(state=state)
    assert api.control("/clock")["now"] > before + 399 * 86400
    made = api.post("/serverless/v1/Services", {"UniqueName": "s", "FriendlyName": "s"})
    assert made.json()["date_created"][:4] in made.headers["Date"]
    assert made.json()["date_created"][:4] > "2026"


def test_an_expired_lock_lingers_and_is_gone(api: Api) -> None:
    documents = "/sync/v1/Services/default/Documents"
    lock = api.make(documents, UniqueName="lock", Data='{"holder": "a"}', Ttl=60)
    api.control("/clock", {"advance": 62})

    lingering = api.get(f"{documents}/lock")
    taken = api.post(documents, {"UniqueName": "lock", "Data": "{}"})
    over = api.post(f"{documents}/lock", {"Data": "{}", "Ttl": 60}, headers={"If-Match": lock["revision"]})

    assert lingering.json()["date_expires"] == lock["date_expires"]
    assert taken.status_code == 409
    assert over.status_code == 200
    api.control("/clock", {"advance": 3600})
    assert api.get(f"{documents}/lock").status_code == 404
    assert api.make(documents, UniqueName="lock", Data="{}")["date_expires"] is None


def test_studio_reads_lag_behind_writes(api: Api) -> None:
    trigger = {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": []}
    definition = (
        f'{{"description": "", "initial_state": "Trigger", "states": [{str(trigger).replace(chr(39), chr(34))}]}}'
    )
    form = {"FriendlyName": "f", "Status": "draft", "Definition": definition}
    api.control("/rules", {"studio_lag_ms": 30_000})
    flow = api.make("/studio/v2/Flows", **form)
    assert api.get(f"/studio/v2/Flows/{flow['sid']}").status_code == 404
    api.control("/clock", {"advance": 31})
    assert api.get(f"/studio/v2/Flows/{flow['sid']}").json()["revision"] == 1

    assert api.post(f"/studio/v2/Flows/{flow['sid']}", {"Status": "draft", "FriendlyName": "g"}).json()["revision"] == 2
    assert api.get(f"/studio/v2/Flows/{flow['sid']}").json()["revision"] == 1
    api.control("/clock", {"advance": 31})
    assert api.get(f"/studio/v2/Flows/{flow['sid']}").json()["friendly_name"] == "g"
    assert api.post(f"/studio/v2/Flows/{flow['sid']}", {"Status": "draft", "CommitMessage": ""}).status_code == 400


def test_rules_are_typed(api: Api) -> None:
    assert api.control("/rules", {"build_polls": 7})["build_polls"] == 7
    for wrong in ({"build_pools": 1}, {"build_polls": "7"}, {"runtimes": "node22"}, {"refuse_reserved_keys": 1}):
        assert api.ask_control("/rules", wrong).status_code == 400
    assert api.control("/rules", {"refuse_reserved_keys": False, "latency_ms": 1})["latency_ms"] == 1.0
    shop = Shop(api)
    assert api.make(f"{shop.inside}/Variables", Key="DOMAIN_NAME", Value=shop.domain)["value"] == shop.domain


def test_two_runs_of_the_same_deployment_end_in_the_same_state(start: Callable[..., Api]) -> None:
    def run() -> dict[str, Any]:
        api = start()
        shop = Shop(api)
        build = api.build(shop.service, api.function(shop.service, "/f", SOURCE))
        api.make(f"{shop.inside}/Deployments", BuildSid=build["sid"])
        api.make(f"{shop.inside}/Variables", Key="URL", Value=f"https://{shop.domain}/f?sid={shop.service}")
        numbers = f"/api/2010-04-01/Accounts/{ACCOUNT.sid}/IncomingPhoneNumbers"
        sid = api.get(f"{numbers}.json").json()["incoming_phone_numbers"][0]["sid"]
        api.post(f"{numbers}/{sid}.json", {"VoiceUrl": f"https://{shop.domain}/f"})
        api.make("/sync/v1/Services/default/Documents", UniqueName="record", Data=f'{{"build": "{build["sid"]}"}}')
        return api.control("/state")

    first, second = run(), run()

    assert first == second
    assert first["numbers"]["+15550100001"]["voice_url"] == "https://shop-####-dev.twil.io/f"
    assert first["documents"] == {"record": {"build": "ZB…"}}
