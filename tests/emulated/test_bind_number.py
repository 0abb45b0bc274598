"""`bind-number` and `unbind-number` as users run them, and at the size of a large account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.control.other_deployer import deploy
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.number_commands import bind, unbind
from ga_deploy.engine.numbers.writer import NumberOutcome
from ga_deploy.engine.session import open_session
from ga_deploy.events import Event, StepProgress
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries
from ga_deploy.local import ACCOUNT_SID, AUTH_TOKEN
from ga_deploy.model.desired import Desired
from ga_deploy.model.numbers import NumberBinding, NumberSettings
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.openapi import Contract

THEIRS = "https://ivr.example.com/voice"
NUMBERS: list[str | dict[str, object]] = [
    "+15550100000",
    {"phone_number": "+15550100001", "voice_url": THEIRS, "voice_method": "GET"},
    {"phone_number": "+15550100002", "voice_url": "https://demo.twilio.com/welcome/voice/"},
    {"phone_number": "+15550100003", "trunk_sid": "TK" + "4" * 32, "voice_url": THEIRS},
    {"phone_number": "+15550100004", "capabilities": {"voice": False, "sms": True, "mms": True, "fax": False}},
    {"phone_number": "+15550100005", "voice_receive_mode": "fax"},
]

DESIRED = Desired(
    account_sid=ACCOUNT_SID,
    service_name="GenerativeAgentService",
    environment="ui",
    domain_suffix=None,
    functions=(),
    function_set="/",
    engage_path="/engage",
    fingerprint="",
)

CONFIG = """
version: 1
twilio: {account_sid: "${TWILIO_ACCOUNT_SID}", auth_token: "${TWILIO_AUTH_TOKEN}"}
asapp: {api_host: api.sandbox.asapp.com, api_id: "${ASAPP_API_ID}", api_secret: "${ASAPP_API_SECRET}"}
destinations: {support: {number: "+15550199999"}}
caller_id: "+15550199998"
outcomes: {agent: [{send: support}], dropped: [{send: support}], unknown: [{send: support}], failed: [{send: support}]}
profiles: {es: {input: {taskName: soporte}}}
"""


class Lab:
    """A folder with a config, an emulator with a live service, and the command line."""

    def __init__(self, emulator: Emulator, url: str, run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.emulator = emulator
        self.url = url
        self._run = run

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self._run("--local", *argv, env={"GA_DEPLOY_EMULATOR": self.url})

    def open(self) -> Gateway:
        credentials = Credentials(ACCOUNT_SID, ACCOUNT_SID, Secret(AUTH_TOKEN))
        return Gateway(credentials, endpoints=Endpoints.local(self.url))

    def settings(self, number: str) -> dict[str, Any]:
        row = self.emulator.backend.store.one("numbers", phone_number=number)
        assert row is not None
        names = ("voice_url", "voice_method", "voice_fallback_url", "voice_fallback_method", "trunk_sid")
        shown = json.loads(row["settings"])
        return {name: shown[name] or "" for name in names}

    def all_settings(self) -> dict[str, dict[str, Any]]:
        return {number: self.settings(number) for number in (f"+1555010000{n}" for n in range(6))}

    def deploy(self, **change: object) -> str:
        """Make something live in the config's environment, as `up` would; returns its domain."""
        change = {"functions": {"/engage": "exports.handler = (c, e, done) => done(null, '');"}, **change}
        return str(
            deploy(
                self.emulator.backend,
                {"account": ACCOUNT_SID, "service": "GenerativeAgentService", "environment": "ui", **change},
            )["domain_name"]
        )


@pytest.fixture
def lab(
    ga_deploy: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, contract: Contract
) -> Iterator[Lab]:
    (tmp_path / "config.yaml").write_text(CONFIG)
    stranger = Account("AC" + "5" * 32, "token-of-a-stranger", numbers=["+15550100009"])
    ours = Account(ACCOUNT_SID, AUTH_TOKEN, numbers=NUMBERS)
    emulator = Emulator(accounts=[ours, stranger], on_exchange=contract.observe)
    with EmulatorThread(emulator) as url:
        yield Lab(emulator, url, ga_deploy)
    assert contract.findings == []


def test_numbers_are_bound_and_given_back_exactly(lab: Lab, golden: Callable[[str, str], None]) -> None:
    domain = lab.deploy()
    before = lab.all_settings()
    bound = lab("bind-number", "+15550100000", "+15550100001", "+15550100002", "--profile", "es", "--yes")
    assert bound.returncode == 0, bound.stderr
    golden("bind-number/bound.txt", bound.stdout)
    assert lab.settings("+15550100001") == {
        "voice_url": f"https://{domain}/engage?profile=es",
        "voice_method": "POST",
        "voice_fallback_url": THEIRS,
        "voice_fallback_method": "GET",
        "trunk_sid": "",
    }
    again = lab("bind-number", "+15550100000", "--profile", "es", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["summary"]["unchanged"] == 1

    back = lab("unbind-number", "--all", "--json")
    assert back.returncode == 0, back.stderr
    golden("bind-number/unbound.json", back.stdout)
    assert lab.all_settings() == before
    nothing = lab("unbind-number", "--all")
    assert nothing.returncode == 0
    golden("bind-number/nothing-to-unbind.txt", nothing.stdout)


def test_refusals_change_nothing(lab: Lab, golden: Callable[[str, str], None], tmp_path: Path) -> None:
    lab.deploy()
    before = lab.all_settings()
    numbers = ["+15550100000", "+15550100003", "+15550100004", "+15550100005", "+15550100009"]
    refused = lab("bind-number", *numbers, "--yes")
    assert refused.returncode == 1
    golden("bind-number/refused.txt", refused.stderr)
    (tmp_path / "numbers.csv").write_text("to,number\nengage,+15550100000\n,+15550100009\n\nengage, +15550100004\n")
    listed = lab("bind-number", "--from-file", str(tmp_path / "numbers.csv"), "--yes", "--json")
    assert listed.returncode == 1
    for place in (f"{tmp_path}/numbers.csv:3:2", f"{tmp_path}/numbers.csv:5:9"):
        assert f"at:  {place}\n" in listed.stderr
    told = json.loads(listed.stdout)
    assert [one["line"] for one in told["error"]["findings"]] == [3, 5]
    assert [one["outcome"] for one in told["numbers"]] == ["not_tried", "refused", "refused"]
    in_use = lab("bind-number", "+15550100001")
    assert in_use.returncode == 1
    assert "--yes" in in_use.stderr
    assert THEIRS in in_use.stderr
    assert lab("unbind-number", "+15550100000").returncode == 1
    assert lab("bind-number", "+1 555 010 0000").returncode == 64
    assert lab("bind-number", "+15550100000", "--profile", "se").returncode == 64
    assert lab("bind-number", "+15550100000", "--to", "flow").returncode == 64
    assert lab.all_settings() == before
    assert not lab.emulator.journal.report(only="^POST /api")["requests"]


def test_a_trunk_is_taken_off_by_force_and_put_back(lab: Lab) -> None:
    lab.deploy()
    before = lab.settings("+15550100003")
    assert lab("bind-number", "+15550100003", "--force").returncode == 0
    assert lab.settings("+15550100003")["trunk_sid"] == ""
    assert lab.settings("+15550100003")["voice_fallback_url"] == ""
    assert lab("unbind-number", "+15550100003").returncode == 0
    assert lab.settings("+15550100003") == before


def test_nothing_is_bound_to_what_does_not_answer(lab: Lab, golden: Callable[[str, str], None]) -> None:
    before = lab.all_settings()
    absent = lab("bind-number", "+15550100000")
    assert absent.returncode == 1
    golden("bind-number/nothing-deployed.txt", absent.stderr)
    lab.deploy(functions={"/other": "exports.handler = (c, e, done) => done(null, '');"})
    silent = lab("bind-number", "+15550100000")
    assert silent.returncode == 1
    assert "does not answer" in silent.stderr
    assert lab.all_settings() == before


def test_locally_any_number_may_be_tried(lab: Lab) -> None:
    lab.deploy()
    assert lab("bind-number", "+4930123456").returncode == 0
    assert lab.settings("+4930123456")["voice_url"].endswith("/engage")


def test_what_was_pointed_elsewhere_since_is_left(lab: Lab) -> None:
    lab.deploy()
    assert lab("bind-number", "+15550100000", "+15550100002").returncode == 0
    with lab.open() as gateway:
        sid = gateway.list_numbers(["+15550100000"])["+15550100000"].sid
        gateway.update_number(sid, NumberSettings(voice_url="https://new.example/"), ["voice_url"])
    left = lab("unbind-number", "+15550100000")
    assert left.returncode == 1
    assert "https://new.example/" in left.stdout
    assert lab.settings("+15550100000")["voice_url"] == "https://new.example/"
    everything = lab("unbind-number", "--all", "--json")
    assert everything.returncode == 0
    assert json.loads(everything.stdout)["summary"] == {
        "given_back": 1,
        "unchanged": 0,
        "failed": 0,
        "not_tried": 0,
        "left": 1,
    }
    assert lab("unbind-number", "+15550100000", "--force").returncode == 0
    assert lab.settings("+15550100000")["voice_url"] == ""


def test_a_failure_is_told_for_its_number_and_repeated_safely(
    lab: Lab, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    lab.deploy()
    row = lab.emulator.backend.store.one("numbers", phone_number="+15550100002")
    assert row is not None
    refusal = json.dumps({"code": 21402, "message": "VoiceUrl is not valid", "status": 400})
    lab.emulator.faults.add(Fault("status", "POST", str(row["sid"]), status=400, body=refusal))
    (tmp_path / "numbers.csv").write_text("profile,number\n,+15550100000\nes,+15550100002\n")
    failed = lab("bind-number", "--from-file", "numbers.csv")
    assert failed.returncode == 1
    golden("bind-number/one-failed.txt", failed.stdout)
    assert "numbers.csv" not in failed.stderr
    again = lab("bind-number", "--from-file", "numbers.csv", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["summary"]["bound"] == 1
    assert lab.settings("+15550100002")["voice_url"].endswith("?profile=es")
    assert lab("unbind-number", "--all").returncode == 0
    assert lab.settings("+15550100002")["voice_url"] == "https://demo.twilio.com/welcome/voice/"


def test_a_number_reaches_the_flow(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "flow: {enabled: true}\n")
    lab.deploy()
    none = lab("bind-number", "+15550100000", "--to", "flow")
    assert none.returncode == 1
    assert "no flow" in none.stderr
    up = lab("up", "--yes")
    assert up.returncode == 0, up.stderr
    bound = lab("bind-number", "+15550100000", "--to", "flow")
    assert bound.returncode == 0, bound.stderr
    url = lab.settings("+15550100000")["voice_url"]
    assert url.startswith(f"https://webhooks.twilio.com/v1/Accounts/{ACCOUNT_SID}/Flows/FW")
    assert lab("bind-number", "+15550100000").returncode == 0, "from our flow to our function needs no consent"
    assert lab("unbind-number", "+15550100000").returncode == 0
    assert lab.settings("+15550100000")["voice_url"] == ""


def test_wrong_credentials_end_with_4(lab: Lab) -> None:
    lab.deploy()
    refusal = json.dumps({"code": 20003, "message": "Authenticate", "status": 401})
    lab.emulator.faults.add(Fault("status", "POST", "IncomingPhoneNumbers", status=401, body=refusal, times=None))
    denied = lab("bind-number", "+15550100000", "+15550100002", "--json")
    assert denied.returncode == 4
    assert len(lab.emulator.journal.report(only="^POST /api")["requests"]) <= 2


def test_a_thousand_numbers_cost_a_request_each_and_little_more(tmp_path: Path) -> None:
    """At most 1,150 that are processed: the looks, the lock, the record and the second readings are among them."""
    wishes = [NumberBinding(f"+1555{index:07d}") for index in range(1_000)]
    emulator = Emulator(
        accounts=[Account(ACCOUNT_SID, AUTH_TOKEN, numbers=[wish.number for wish in wishes])],
        faults=[Fault("status", "POST", "IncomingPhoneNumbers", status=429, nth=10, times=5)],
    )
    events: list[Event] = []
    with EmulatorThread(emulator) as url:
        change = {"functions": {"/engage": "exports.handler = (c, e, done) => done(null, '');"}}
        deploy(emulator.backend, {"service": "GenerativeAgentService", "environment": "ui", **change})
        credentials = Credentials(ACCOUNT_SID, ACCOUNT_SID, Secret(AUTH_TOKEN))
        with Gateway(credentials, endpoints=Endpoints.local(url), retries=Retries(first=0.01)) as gateway:
            session = open_session(
                gateway,
                DESIRED,
                state="sync",
                folder=tmp_path,
                report=events.append,
            )
            results = bind(session, wishes, force=False, agree=lambda in_use: None)
            requests = emulator.journal.report()["requests"]
            assert {result.outcome for result in results} == {NumberOutcome.CHANGED}
            assert len([r for r in requests if r["status"] != 429]) <= 1_150
            assert len(requests) <= 1_155
            emulator.journal.reset()
            restored = unbind(session, None, force=False)
            assert len(restored.results) == 1_000
            assert len(emulator.journal.report()["requests"]) <= 1_150
    progress = [event for event in events if isinstance(event, StepProgress)]
    assert 20 <= len(progress) <= 60, "a log has some lines, not a thousand"
