"""`plan`, `up`, `status` and `destroy` as users run them, against an emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.control.other_deployer import deploy as foreign_deploy
from ga_deploy.engine.lock.holder import Holder, this_process
from ga_deploy.engine.plan.ownership import DOMAIN_VARIABLE
from ga_deploy.engine.record.codec import pack_release, unpack_release
from ga_deploy.engine.record.releases import digest_variables, record_variable
from ga_deploy.local import ACCOUNT_SID, ASAPP_API_SECRET
from ga_deploy.redact import Secret
from tests.emulated.stage import Stage, set_up, without_empty_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ga_deploy.model.release import Release

ROOT = Path(__file__).parents[2]
SERVICE = "GenerativeAgentService"
NUMBER = "+15550100000"
UNDECLARED = "+15550100007"
LOCK = f"ga-deploy.lock.{SERVICE}.ui"
RECORD = f"ga-deploy.{SERVICE}.ui"
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
  bypass: [{send: support}]
phone_numbers: [{number: "+15550100000"}]
"""
HELLO = {"/hello": "exports.handler = (c, e, cb) => cb(null, 'hi');"}


class Deployer(Stage):
    """A stage with a config whose parts tests replace."""

    def configure(self, **replaced: str) -> None:
        text = CONFIG.replace("GREETING", replaced.pop("greeting", "One moment."))
        extra = "".join(f"{key}: {value}\n" for key, value in replaced.items())
        (self.folder / "config.yaml").write_text(text + extra)

    def start(self, *argv: str, config: Path | None = None) -> subprocess.Popen[str]:
        config = config or self.folder / "config.yaml"
        # A test run in the background may have inherited an ignored SIGINT, and hand it on.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return self._start(config, argv)
        finally:
            signal.signal(signal.SIGINT, before)

    def _start(self, config: Path, argv: tuple[str, ...]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ga_deploy", "--local", "-c", str(config), *argv],
            env={**os.environ, "PYTHONPATH": str(ROOT), "GA_DEPLOY_EMULATOR": self.base_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def state(self) -> dict[str, Any]:
        return dump(self.emulator.backend, ACCOUNT_SID)

    def live(self) -> dict[str, Any]:
        return self.state()["services"][SERVICE]["environments"]["ui"]

    def hold_lock(self, holder: Holder) -> None:
        with self.open_gateway() as gateway:
            gateway.create_document(LOCK, holder.to_json(), ttl=60)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployer]:
    with set_up(Deployer, tmp_path, [NUMBER, UNDECLARED], monkeypatch, capsys) as made:
        made.configure()
        yield made


def adopt(stage: Deployer, **more: Any) -> None:
    change = {
        "service": SERVICE,
        "environment": "ui",
        "functions": HELLO,
        "assets": {"/logo.svg": "<svg/>"},
        "dependencies": {"lodash": "4.17.21"},
        "variables": {"THEIR_KEY": "theirs"},
    }
    foreign_deploy(stage.emulator.backend, {**change, **more})


def test_first_deployment_and_nothing_to_do_after_it(stage: Deployer) -> None:
    assert stage.run("plan", "--detailed-exitcode").code == 2
    stage.emulator.journal.reset()
    up = stage.ok("up", "--json").json
    assert up["changed"]
    assert up["release"] == "v1"
    assert {"/engage", "/call-complete"} <= stage.live()["paths"].keys()
    assert {"ASAPP_API_HOST", "ASAPP_API_ID", "ASAPP_API_SECRET"} <= stage.live()["variables"].keys()
    assert stage.live()["dependencies"]["axios"]
    assert stage.state()["numbers"][NUMBER]["voice_url"].endswith(".twil.io/engage")

    stage.emulator.journal.reset()
    again = stage.ok("up", "--json").json
    assert not again["changed"]
    assert again["release"] == "v1"
    asked = stage.report()
    assert asked["count"] <= 10
    assert {request["method"] for request in asked["requests"]} == {"GET"}
    assert stage.run("plan", "--detailed-exitcode").code == 0


def test_first_deployment_with_a_local_record(stage: Deployer) -> None:
    stage.configure(state="local")
    stage.emulator.journal.reset()
    stage.ok("up")
    assert not stage.report(only="/sync/")["requests"], "nothing of Sync is touched"
    assert not stage.ok("up", "--json").json["changed"]
    assert (stage.folder / ".ga-deploy" / "records" / ACCOUNT_SID / f"{SERVICE}.ui.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("state", "first"), [("sync", 14), ("local", 11)])
def test_round_trips(stage: Deployer, state: str, first: int) -> None:
    """Counted in a chain of requests of which each began after the one before was answered; slow, so that it shows."""
    stage.configure(state=state)
    stage.emulator.backend.change_rules({"latency_ms": 400})
    stage.emulator.journal.reset()
    stage.ok("up")
    assert stage.report()["depth"] <= first
    stage.emulator.journal.reset()
    stage.ok("up")
    assert stage.report()["depth"] <= 4


def test_only_what_changed_is_sent(stage: Deployer) -> None:
    stage.ok("up")
    stage.configure(greeting="Just a second.")
    stage.emulator.journal.reset()
    changed = stage.ok("up", "--json").json
    assert [c["address"] for c in changed["changes"] if c["address"].startswith("function:")] == [
        "function:/lib/settings"
    ]
    assert len(stage.report(only="serverless-upload")["requests"]) == 1
    stage.configure(greeting="Just a second.", variables="{HOOK_URL: 'https://hooks.example.com'}")
    stage.emulator.journal.reset()
    assert stage.ok("up", "--json").json["changed"]
    assert not stage.report(only=r"POST .*/(Builds|Deployments)")["requests"], "a variable alone needs no build"
    stage.configure(greeting="Just a second.")
    stage.ok("up")
    assert "HOOK_URL" not in stage.live()["variables"]


def test_foreign_things_survive_and_are_shown(stage: Deployer) -> None:
    adopt(stage)
    plan = {change["address"]: change for change in stage.ok("plan", "--json").json["changes"]}
    assert plan[f"service:{SERVICE}"]["reason"] == "adopted"
    assert plan["function:/hello"]["action"] == plan["asset:/logo.svg"]["action"] == "keep"
    stage.ok("up")
    live = stage.live()
    assert {"/hello", "/logo.svg", "/engage"} <= live["paths"].keys()
    assert live["dependencies"]["lodash"] == "4.17.21"
    assert "THEIR_KEY" in live["variables"]


def test_what_is_in_the_way_needs_consent(stage: Deployer) -> None:
    adopt(stage, functions={"/engage": "exports.handler = (c, e, cb) => cb(null, 'theirs');"})
    before = stage.state()
    refused = stage.run("up")
    assert refused.code == 1
    assert "/engage" in refused.err
    assert "--yes" in refused.err
    assert stage.state() == before, "nothing was written"
    stage.ok("up", "--yes")
    assert not stage.ok("up", "--json").json["changed"]


def test_build_that_does_not_tell_its_dependencies_is_built_once(stage: Deployer) -> None:
    stage.emulator.backend.change_rules({"tells_dependencies": False})
    adopt(stage)
    refused = stage.run("up")
    assert refused.code == 1
    assert "does not list the dependencies of the live one" in refused.err
    stage.ok("up", "--yes")
    assert not stage.ok("up", "--json").json["changed"]
    stage.configure(greeting="Changed.")
    stage.ok("up")
    assert stage.live()["dependencies"].keys() >= {"axios"}
    assert not stage.ok("up", "--json").json["changed"]


def test_the_oldest_releases_leave_the_record_on_sync(stage: Deployer) -> None:
    stage.ok("up")
    [item] = [item for key, item in stage.state()["maps"][RECORD].items() if key.startswith("release.")]
    with stage.open_gateway() as gateway:
        for number in range(2, 60):
            gateway.put_item(RECORD, f"release.{number:06d}", item)
    stage.configure(greeting="Changed.")
    assert stage.ok("up", "--json").json["release"] == "v60"
    kept = sorted(key for key in stage.state()["maps"][RECORD] if key.startswith("release."))
    assert kept == [f"release.{number:06d}" for number in range(11, 61)]
    stage.emulator.backend.change_rules({"latency_ms": 100})
    stage.emulator.journal.reset()
    assert not stage.ok("up", "--json").json["changed"]
    asked = stage.report()
    assert (asked["count"] <= 10, asked["depth"] <= 4) == (True, True), asked


def test_variables_that_would_not_fit_are_told_before_anything_is_written(stage: Deployer) -> None:
    """Those of others count as well: Twilio fails the deployment, by which time ours would have been set."""
    adopt(stage, variables={f"THEIR_KEY_{index}": "x" * (400 + index) for index in range(6)})
    stage.ok("plan")
    stage.configure(variables=f"{{HOOK_URL: 'https://hooks.example.com/{'x' * 300}'}}")
    before = stage.state()
    for command in ("plan", "up"):
        refused = stage.run(command)
        assert refused.code == 1
        assert "the largest are THEIR_KEY_5 (422, of others), THEIR_KEY_4" in refused.err
    assert stage.state() == before
    stage.configure()
    stage.ok("up")
    live = stage.live()
    with stage.open_gateway() as gateway:
        service = gateway.find_service(SERVICE)
        assert service is not None
        environment = gateway.list_environments(service.sid)[0]
        gateway.create_variable(service.sid, environment.sid, "THEIR_LAST", "x" * 400)
    assert not stage.ok("up", "--json").json["changed"], "what we do not make larger is left to Twilio"
    assert stage.live()["paths"] == live["paths"]


def test_saved_plan_is_done_or_refused(stage: Deployer) -> None:
    file = stage.folder / "plan.json"
    stage.ok("plan", "--out", str(file))
    assert "local-asapp-api-secret" not in file.read_text()
    stage.configure(greeting="Changed.")
    refused = stage.run("up", str(file))
    assert refused.code == 1
    assert "the config has changed" in refused.err
    stage.configure()
    adopt(stage)
    refused = stage.run("up", str(file))
    assert refused.code == 1
    assert "the account has changed" in refused.err
    stage.ok("plan", "--out", str(file))
    stage.ok("up", str(file))
    refused = stage.run("up", str(file))
    assert refused.code == 1, "done is done: the account is not as it was"


def test_saved_plan_of_another_version_is_refused(stage: Deployer) -> None:
    file = stage.folder / "plan.json"
    stage.ok("plan", "--out", str(file))
    saved = json.loads(file.read_text())
    assert saved["format_version"] == 2
    earlier = {**saved, "format_version": 1, "wish": saved["desired_digest"]}
    file.write_text(json.dumps(earlier))
    refused = stage.run("up", str(file))
    assert refused.code == 1
    assert "it has version 1, this ga-deploy reads 2" in refused.err
    assert "ga-deploy plan --out FILE" in refused.err
    assert not stage.report(only="POST")["requests"]


def test_github_actions_gets_outputs_and_a_summary(stage: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, summary = stage.folder / "outputs", stage.folder / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    told = stage.ok("plan", "--json").json
    writes = [change for change in told["changes"] if change["action"] in {"create", "update", "delete"}]
    assert outputs.read_text().splitlines() == [f"changes={len(writes)}", "pending=true"]
    assert f"Plan: {told['summary']['create']} to create" in summary.read_text()
    outputs.unlink()
    live = stage.ok("up", "--json").json
    given = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    assert given["changed"] == "true"
    assert {key: given[key] for key in ("domain_name", "build_sid", "release", "engage_url")} == {
        key: live[key] for key in ("domain_name", "build_sid", "release", "engage_url")
    }
    assert live["engage_url"] in summary.read_text()


def test_saved_plan_hides_a_password_and_is_carried_out_all_the_same(stage: Deployer) -> None:
    with stage.open_gateway() as gateway:
        number = gateway.list_numbers([NUMBER])[NUMBER]
        theirs = replace(number.settings, voice_url="https://user:hunter22@pbx.example.com/voice")
        gateway.update_number(number.sid, theirs, ["voice_url"])
    file = stage.folder / "plan.json"
    stage.ok("plan", "--out", str(file))
    assert "hunter22" not in file.read_text()
    assert "pbx.example.com" in file.read_text()
    stage.ok("up", str(file), "--yes")
    assert stage.state()["numbers"][NUMBER]["voice_fallback_url"] == theirs.voice_url


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "\0", "", "[]", "{}", '{"changes": []}', "not json", '{"changes": 1, "format_version": 1}']
)
def test_file_that_is_no_plan(stage: Deployer, text: str) -> None:
    file = stage.folder / "plan.json"
    file.write_text(text)
    refused = stage.run("up", str(file))
    assert refused.code == 1
    assert "fix:" in refused.err
    assert not stage.report(only="POST")["requests"]


def test_plan_shows_diffs_against_what_is_deployed(stage: Deployer, golden: Callable[[str, str], None]) -> None:
    golden("plan-first.txt", stage.ok("plan").out)
    stage.ok("up")
    stage.configure(greeting="Just a second.", variables="{HOOK_URL: 'https://hooks.example.com'}")
    golden("plan-update.txt", stage.ok("plan", "--diff").out)
    diffs = stage.ok("plan", "--diff", "--json").json["diffs"]
    assert list(diffs) == ["/lib/settings"]
    assert "One moment." in diffs["/lib/settings"]


def test_status_tells_what_is_live_and_what_drifted(stage: Deployer) -> None:
    assert stage.ok("status", "--json").json["live"] is False
    stage.ok("up")
    status = stage.ok("status", "--json", "--detailed-exitcode").json
    assert status["live"]
    assert status["release"]["name"] == "v1"
    assert status["drift"] == []
    assert status["pending"] == 0
    assert set(status["variables"].values()) == {"********"}
    assert status["numbers"][NUMBER]["recorded"]
    adopt(stage, variables={"ASAPP_API_ID": "changed-by-somebody"}, functions={"/engage": "exports.handler = 1;"})
    drifted = stage.run("status", "--json", "--detailed-exitcode")
    assert drifted.code == 2
    assert {drift["address"] for drift in drifted.json["drift"]} == {"variable:ASAPP_API_ID", "function:/engage"}
    assert "changed-by-somebody" not in drifted.out
    human = stage.ok("status").out
    assert "somebody replaced it" in human
    assert "https://" in human


def test_live_lock_is_respected_and_its_holder_named(stage: Deployer) -> None:
    stage.hold_lock(this_process())
    before = stage.state()
    refused = stage.run("up", "--lock-timeout", "0s")
    assert refused.code == 5
    assert f"process {os.getpid()}" in refused.err
    assert "since" in refused.err
    assert stage.state() == before


def test_lock_is_waited_for(stage: Deployer) -> None:
    stage.hold_lock(this_process())
    with stage.start("up", "--lock-timeout", "60s") as waiting:
        assert waiting.stderr is not None
        assert any("Waiting for another deployment" in line for line in waiting.stderr)
        with stage.open_gateway() as gateway:
            gateway.delete_document(LOCK)
        _, told = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, told


def test_dead_holder_on_this_machine_is_replaced_at_once(stage: Deployer) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holder = this_process()
    stage.hold_lock(replace(holder, id="another", pid=gone.pid))
    stage.ok("up", "--lock-timeout", "0s")
    assert stage.state()["documents"] == {}


def test_lapsed_lock_of_another_machine_is_taken_over(stage: Deployer) -> None:
    holder = replace(this_process(), id="another", host="elsewhere", kernel="other")
    stage.hold_lock(holder)
    assert stage.run("up", "--lock-timeout", "0s").code == 5
    stage.emulator.backend.advance(61)
    stage.ok("up", "--lock-timeout", "0s")


@pytest.mark.parametrize("status", [403, 404], ids=["no access", "no Sync"])
def test_without_sync_a_local_file_is_used_and_said(stage: Deployer, status: int) -> None:
    stage.emulator.faults.add(Fault("status", path="/sync/", status=status, times=None))
    told = stage.ok("up")
    assert told.err.count("record of releases is in a local file") == 1
    stage.emulator.journal.reset()
    again = stage.ok("up", "--json")
    assert not again.json["changed"]
    # Two records (the environment's, the account's), each with one question whether there is Sync at all.
    assert len(stage.report(only="/sync/")["requests"]) <= 4, "nothing is asked again and again"
    assert stage.state()["documents"] == {}


def test_garbled_record_is_slower_never_wrong(stage: Deployer) -> None:
    stage.ok("up")
    state = stage.live()
    with stage.open_gateway() as gateway:
        gateway.put_item(RECORD, "release.000001", {"set": "/", "functions": ["nonsense"]})
    told = stage.ok("up")
    assert "cannot be read" in told.err
    assert stage.live() == state
    assert stage.ok("status", "--json").json["release"]["name"] == "v2"


def read_release(stage: Deployer, number: int) -> Release:
    with stage.open_gateway() as gateway:
        items = gateway.list_items(RECORD)
    return next(unpack_release(item) for item in items if item.key == f"release.{number:06d}")


def test_fingerprints_of_secrets_are_salted_and_those_of_earlier_versions_replaced(stage: Deployer) -> None:
    stage.ok("up")
    first = read_release(stage, 1)
    secret = Secret(ASAPP_API_SECRET)
    assert len(first.salt) == 32
    assert first.variables["ASAPP_API_SECRET"].fingerprint == secret.fingerprint(first.salt) != secret.fingerprint()
    with stage.open_gateway() as gateway:
        listed = gateway.list_variables(first.service_sid, first.environment_sid)
    plain = {variable.key: variable.value for variable in listed if variable.key in first.variables}
    earlier = replace(
        first,
        salt="",
        variables={name: record_variable(Secret(value), made=True, salt="") for name, value in plain.items()},
        variables_digest=digest_variables({name: plain[name] for name in plain.keys() - {DOMAIN_VARIABLE}}, ""),
    )
    with stage.open_gateway() as gateway:
        gateway.put_item(RECORD, "release.000001", pack_release(earlier, earlier.numbers))
    stage.emulator.journal.reset()
    assert not stage.ok("up", "--json").json["changed"]
    assert {request["method"] for request in stage.report()["requests"]} == {"GET"}
    assert stage.ok("status", "--json").json["drift"] == []
    stage.configure(greeting="Changed.")
    assert stage.ok("up", "--json").json["release"] == "v2"
    second = read_release(stage, 2)
    assert second.salt not in {"", first.salt}, "a record has its own"
    assert second.variables["ASAPP_API_SECRET"].fingerprint == secret.fingerprint(second.salt)


def test_others_who_deploy_right_before_ours_and_right_after_lose_nothing(stage: Deployer) -> None:
    place = {"service": SERVICE, "environment": "ui"}
    adopt(stage)
    for path, processed in (("/before", False), ("/after", True)):
        change = {**place, "functions": {path: HELLO["/hello"]}, "variables": {f"OF{path[1:].upper()}": "theirs"}}
        fault = Fault("foreign", "POST", r"/Deployments$", processed=processed, foreign=change)
        stage.emulator.faults.add(fault)
    told = stage.ok("up")
    assert told.err.count("their build is merged into ours") == 1
    assert {"/hello", "/before", "/after", "/engage", "/call-complete"} <= stage.live()["paths"].keys()
    assert {"OFBEFORE", "OFAFTER", "THEIR_KEY"} <= stage.live()["variables"].keys()
    assert not stage.ok("up", "--json").json["changed"]


def test_two_configs_of_one_service_at_once(stage: Deployer) -> None:
    other = stage.folder / "other"
    other.mkdir()
    text = (stage.folder / "config.yaml").read_text().replace('phone_numbers: [{number: "+15550100000"}]\n', "")
    paths = {name: f"/sales/{name.replace('_', '-')}" for name in ("engage", "call_complete", "stream_status")}
    functions = ", ".join(f"{name}: {{path: {path}}}" for name, path in paths.items())
    (other / "config.yaml").write_text(f"{text}functions: {{{functions}}}\n")
    running = [stage.start("up"), stage.start("up", config=other / "config.yaml")]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in running]
    assert all(code in {0, 1, 5} for _, code in ended), ended
    assert any(code == 0 for _, code in ended), ended
    for process, config in zip(ended, (stage.folder, other), strict=True):
        if process[1]:
            again = stage.start("up", config=config / "config.yaml")
            assert again.communicate(timeout=300)
            assert again.returncode == 0
    assert {"/engage", "/call-complete", *paths.values()} <= stage.live()["paths"].keys()
    assert not stage.ok("up", "--json").json["changed"]
    releases = stage.state()["maps"][RECORD]
    assert {item["set"] for key, item in releases.items() if key.startswith("release")} == {"/", "/sales/"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_gives_the_lock_back_and_up_continues(stage: Deployer, number: int, code: int) -> None:
    stage.emulator.faults.add(Fault("latency", method="POST", path="/Builds", seconds=1.0))
    process = stage.start("up")
    deadline = time.monotonic() + 300
    while not stage.emulator.faults.describe()[0]["hits"]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert stage.state()["documents"] == {}, "the lock is given back"
    stage.ok("up")
    assert set(stage.state()["services"][SERVICE]["functions"].values()) == {1}, "no function twice"
    assert not stage.ok("up", "--json").json["changed"]


@pytest.mark.parametrize("nth", [1, 2], ids=["one lock", "the other"])
def test_a_lock_whose_answer_is_lost_does_not_outlive_an_interrupt(stage: Deployer, nth: int) -> None:
    """The lock is made, its answer does not come, and the user gives up: nobody else has to wait for it to lapse."""
    stage.emulator.faults.add(Fault("stall", method="POST", path="/Documents$", nth=nth, seconds=20.0, processed=True))
    process = stage.start("up")
    deadline = time.monotonic() + 300
    while len(stage.state()["documents"]) < 2:
        assert process.poll() is None
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail("the lock was not made")
        time.sleep(0.01)
    # Python sees a signal that comes just before it waits for the answer only after that: here the wait has begun.
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert stage.state()["documents"] == {}
    stage.ok("up", "--lock-timeout", "0s")


def test_destroy_leaves_nothing_of_ours(stage: Deployer) -> None:
    before = stage.state()
    stage.ok("up")
    refused = stage.run("destroy")
    assert refused.code == 1
    assert "--yes" in refused.err
    gone = stage.ok("destroy", "--yes", "--json").json
    assert gone["service_deleted"]
    assert without_empty_numbers(stage.state()) == before
    assert stage.ok("destroy", "--yes", "--json").json["removed"] is False
    stage.ok("up")


def test_a_path_stays_while_a_number_points_at_it(stage: Deployer) -> None:
    """The config does not know a number that `bind-number` bound, and so never points it elsewhere."""
    stage.ok("up")
    stage.ok("bind-number", UNDECLARED)
    bound = stage.state()["numbers"][UNDECLARED]["voice_url"]
    stage.configure(functions="{engage: {path: /talk}}")
    stage.ok("up")
    stage.configure(functions="{engage: {path: /talk}}", greeting="Hello.")
    planned = {change["address"]: change["reason"] for change in stage.ok("plan", "--json").json["changes"]}
    assert planned["function:/engage"] == "kept_for_numbers"
    stage.ok("up")
    assert "/engage" in stage.live()["paths"]
    assert stage.state()["numbers"][UNDECLARED]["voice_url"] == bound
    assert not stage.ok("up", "--json").json["changed"]
    stage.ok("unbind-number", UNDECLARED)
    stage.configure(functions="{engage: {path: /talk}}", greeting="Good day.")
    stage.ok("up")
    assert "/engage" not in stage.live()["paths"]


def test_destroy_keeps_what_others_made(stage: Deployer) -> None:
    adopt(stage)
    before = stage.state()
    stage.ok("up")
    gone = stage.ok("destroy", "--yes", "--json").json
    assert not gone["service_deleted"]
    assert "function /hello" in gone["stays"]
    after = stage.state()
    for state in (before, after):
        for service in state["services"].values():
            del service["spare"]
    assert without_empty_numbers(after) == before


def test_destroy_leaves_a_function_that_was_there_before(stage: Deployer) -> None:
    """Somebody's draft of /engage: in no build, so nothing but its container tells whose it is."""
    adopt(stage)
    with stage.open_gateway() as gateway:
        service = gateway.find_service(SERVICE)
        assert service is not None
        gateway.create_function(service.sid, "/engage")
    stage.ok("up")
    assert stage.state()["services"][SERVICE]["functions"]["/engage"] == 1
    stage.ok("destroy", "--yes")
    assert stage.state()["services"][SERVICE]["functions"]["/engage"] == 1


def test_destroy_refuses_to_strand_a_number(stage: Deployer) -> None:
    stage.ok("up")
    with stage.open_gateway() as gateway:
        gateway.delete_map(RECORD)
        gateway.delete_map("ga-deploy.numbers")
    refused = stage.run("destroy", "--yes")
    assert refused.code == 1
    assert NUMBER in refused.err
    assert "/engage" in stage.live()["paths"]


def test_destroy_gives_back_what_was_bound_without_sync(stage: Deployer) -> None:
    """What a number had is on this machine then: every command looks there too, not `unbind-number` alone."""
    stage.ok("up")
    before = stage.state()["numbers"][UNDECLARED]
    stage.emulator.faults.add(Fault("status", path="/sync/", status=403, times=None))
    told = stage.ok("bind-number", UNDECLARED)
    assert told.err.count("record of releases is in a local file") == 1
    assert stage.state()["numbers"][UNDECLARED] != before
    stage.emulator.faults.clear()
    assert {drift["address"] for drift in stage.ok("status", "--json").json["drift"]} == set()
    assert stage.ok("status", "--json").json["numbers"][UNDECLARED]["recorded"]
    stage.ok("destroy", "--yes")
    assert stage.state()["numbers"][UNDECLARED] == before
    assert SERVICE not in stage.state()["services"]


def test_build_that_never_ends_is_given_up(stage: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GA_DEPLOY_BUILD_TIMEOUT", "0.3")
    stage.emulator.faults.add(
        Fault("status", path="/Status$", status=200, body='{"status": "building", "sid": "ZB"}', times=None)
    )
    refused = stage.run("up")
    assert refused.code == 1
    assert "did not end within" in refused.err
    stage.emulator.faults.clear()
    stage.ok("up")
    monkeypatch.setenv("GA_DEPLOY_BUILD_TIMEOUT", "soon")
    assert stage.run("up").code == 64


def test_wrong_credentials_are_the_only_news(stage: Deployer) -> None:
    stage.emulator.faults.add(Fault("status", status=401, times=None))
    refused = stage.run("up")
    assert refused.code == 4
    assert "local file" not in refused.err


def test_suffix_of_another_environment_is_told_before_anything_is_written(stage: Deployer) -> None:
    adopt(stage, environment="production")
    refused = stage.run("up")
    assert refused.code == 1
    assert "`production`" in refused.err
    assert not stage.report(only="POST")["requests"]


def test_own_code_that_cannot_run_is_told_before_anything_is_sent(stage: Deployer) -> None:
    (stage.folder / "hook.js").write_text("module.exports = (call) => {\n  return {;\n};\n")
    stage.configure(hooks="{before_engage: ./hook.js}")
    refused = stage.run("up")
    assert refused.code == 3
    assert "hook.js" in refused.err
    assert stage.report()["count"] == 0


def test_number_in_use_elsewhere_needs_consent(stage: Deployer) -> None:
    with stage.open_gateway() as gateway:
        number = gateway.list_numbers([NUMBER])[NUMBER]
        theirs = replace(number.settings, voice_url="https://pbx.example.com/voice")
        gateway.update_number(number.sid, theirs, ["voice_url"])
    refused = stage.run("up")
    assert refused.code == 1
    assert "https://pbx.example.com/voice" in refused.err
    stage.ok("up", "--yes")
    bound = stage.state()["numbers"][NUMBER]
    assert bound["voice_url"].endswith("/engage")
    assert bound["voice_fallback_url"] == "https://pbx.example.com/voice"
    stage.ok("destroy", "--yes")
    assert stage.state()["numbers"][NUMBER]["voice_url"] == "https://pbx.example.com/voice"
    assert stage.state()["numbers"][NUMBER]["voice_fallback_url"] == ""


def test_destroy_takes_the_flow_along(stage: Deployer) -> None:
    before = stage.state()
    stage.configure(flow="{enabled: true}")
    text = (
        (stage.folder / "config.yaml")
        .read_text()
        .replace('{number: "+15550100000"}', '{number: "+15550100000", to: flow}')
    )
    (stage.folder / "config.yaml").write_text(text)
    stage.ok("up")
    assert stage.state()["flows"]
    assert "/Flows/" in stage.state()["numbers"][NUMBER]["voice_url"]
    assert not stage.ok("up", "--json").json["changed"]
    flow = stage.ok("status", "--json").json
    assert flow["flow"]["status"] == "published"
    assert flow["drift"] == []
    assert flow["pending"] == 0
    assert stage.ok("destroy", "--yes", "--json").json["flow"] == flow["flow"]["sid"]
    assert without_empty_numbers(stage.state()) == before
