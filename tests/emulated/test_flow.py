"""The Studio flow as users deploy it: published with `up`, attached, found again, never saved over others' work."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ga_deploy.emulator.control.dump import dump
from ga_deploy.emulator.control.faults import Fault
from ga_deploy.gateway import Product
from ga_deploy.local import ACCOUNT_SID
from tests.emulated.stage import Stage, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ga_deploy.gateway import Gateway
    from ga_deploy.model.flows import Flow

ROOT = Path(__file__).parents[2]
NUMBER = "+15550100000"
MENU = json.loads((ROOT / "tests" / "unit" / "flows" / "menu.json").read_text())
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
flow: {enabled: true, MORE}
phone_numbers: [NUMBERS]
"""


class FlowStage(Stage):
    """A stage whose config has a flow."""

    @cached_property
    def gateway(self) -> Gateway:
        return self.open_gateway()

    def configure(self, greeting: str = "One moment.", more: str = "", numbers: bool = True) -> None:
        text = CONFIG.replace("GREETING", greeting).replace("MORE", more)
        text = text.replace("NUMBERS", f'{{number: "{NUMBER}", to: flow}}' if numbers else "")
        (self.folder / "config.yaml").write_text(text)

    def flows(self) -> list[Any]:
        return [self.gateway.find_flow(flow.sid) for flow in self.gateway.list_flows()]

    def flow(self) -> Any:
        (flow,) = self.flows()
        return flow

    def find(self, sid: str) -> Flow:
        flow = self.gateway.find_flow(sid)
        assert flow is not None
        return flow

    def voice_url(self) -> str:
        return self.gateway.list_numbers([NUMBER])[NUMBER].settings.voice_url

    def requests(self, only: str = "") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.report(only)["requests"]
        return listed

    def post(self, path: str, **form: str) -> tuple[int, str]:
        body = urllib.parse.urlencode(form).encode()
        try:
            with urllib.request.urlopen(f"{self.base_url}{path}", data=body, timeout=300) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read().decode()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[FlowStage]:
    with set_up(FlowStage, tmp_path, [NUMBER], monkeypatch, capsys) as made:
        made.configure()
        with made.gateway:
            yield made


def states(flow: Any) -> dict[str, Any]:
    return {state["name"]: state for state in flow.definition["states"]}


def attach_config(stage: FlowStage, **more: Any) -> str:
    """Make a flow as somebody drew it, and a config that attaches to it."""
    sid = stage.gateway.create_flow("Main menu", "published", MENU["flow"], "drawn by hand").sid
    stage.configure(more=f"attach_to: {sid}, after: '{MENU['after']}'", numbers=False, **more)
    return sid


def test_up_publishes_the_flow_before_a_number_points_at_it(stage: FlowStage) -> None:
    domain = stage.ok("up", "--json").json["domain_name"]
    flow = stage.flow()
    assert (flow.friendly_name, flow.status, flow.revision) == ("GenerativeAgent", "published", 1)
    assert stage.voice_url() == flow.webhook_url
    assert flow.webhook_url.startswith(f"https://webhooks.twilio.com/v1/Accounts/{ACCOUNT_SID}/Flows/FW")
    live = dump(stage.emulator.backend, ACCOUNT_SID)["services"]["GenerativeAgentService"]["environments"]["ui"]
    assert "GA_FLOW_SID" in live["variables"]
    assert {"/flow/engage", "/flow/call-transfer"} <= set(live["paths"])
    function = states(flow)["ga_transfer"]["properties"]
    assert function["url"] == f"https://{domain}/flow/call-transfer"
    assert [function[name][:2] for name in ("service_sid", "environment_sid", "function_sid")] == ["ZS", "ZE", "ZH"]
    assert set(function["function_sid"][2:]) != {"0"}
    order = [request["target"] for request in stage.requests() if request["method"] == "POST"]
    saved = next(i for i, target in enumerate(order) if target.endswith("/v2/Flows"))
    assert order[saved - 1].endswith("/Flows/Validate"), "Twilio is asked before anything is saved"
    assert saved < next(i for i, target in enumerate(order) if "IncomingPhoneNumbers" in target)


def test_nothing_changed_means_no_new_revision(stage: FlowStage) -> None:
    stage.ok("up")
    stage.emulator.journal.reset()
    assert not stage.ok("up", "--json").json["changed"]
    assert not stage.ok("flow", "push", "--json").json["changed"]
    assert {request["method"] for request in stage.requests()} == {"GET"}
    assert stage.flow().revision == 1
    assert stage.run("plan", "--detailed-exitcode").code == 0


def test_a_change_makes_one_revision_and_keeps_what_was_moved_on_the_canvas(stage: FlowStage) -> None:
    stage.ok("up")
    flow = stage.flow()
    states(flow)["ga_engage"]["properties"]["offset"] = {"x": 7, "y": 8}
    stage.gateway.update_flow(flow, "published", flow.definition, "tidied up")
    assert not stage.ok("up", "--json").json["changed"], "a place on the canvas is nobody's business"
    stage.configure(greeting="Just a second.")
    planned = stage.ok("plan", "--json").json["changes"]
    change = next(one for one in planned if one["address"] == "flow:GenerativeAgent")
    assert (change["action"], change["reason"]) == ("update", "definition_differs")
    stage.ok("up")
    flow = stage.flow()
    assert flow.revision == 3
    assert states(flow)["ga_agent_1_say"]["properties"]["say"] == "Just a second."
    assert states(flow)["ga_engage"]["properties"]["offset"] == {"x": 7, "y": 8}


KILLS = [
    ("IncomingPhoneNumbers", True),
    *(
        pytest.param(path, processed, marks=pytest.mark.slow)
        for path, processed in [
            ("IncomingPhoneNumbers", False),
            ("/Flows/Validate", True),
            (r"/v2/Flows$", False),
            (r"/v2/Flows$", True),
            ("/Variables", True),
        ]
    ),
]


@pytest.mark.parametrize(("path", "processed"), KILLS)
def test_killed_around_the_flow_the_next_up_finishes(stage: FlowStage, path: str, processed: bool) -> None:
    # Of the variables it is the last, the one that tells the flow's SID.
    nth = 5 if path == "/Variables" else 1
    stage.emulator.faults.add(Fault("stall", "POST", path, nth=nth, processed=processed, seconds=30))
    process = subprocess.Popen(
        [sys.executable, "-m", "ga_deploy", "--local", "-c", str(stage.folder / "config.yaml"), "up"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "GA_DEPLOY_EMULATOR": stage.base_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: any(fault["hits"] for fault in stage.emulator.faults.describe()))
        time.sleep(0.2)
    finally:
        process.kill()
        process.wait()
    stage.emulator.faults.clear()
    stage.ok("up")
    assert stage.flow().revision == 1
    assert stage.voice_url() == stage.flow().webhook_url
    assert not stage.ok("up", "--json").json["changed"]


@pytest.mark.parametrize(
    "action",
    ["drop", pytest.param("malformed", marks=pytest.mark.slow), pytest.param("status", marks=pytest.mark.slow)],
)
def test_a_lost_answer_does_not_make_a_second_flow(stage: FlowStage, action: Any) -> None:
    stage.emulator.faults.add(Fault(action, "POST", r"/v2/Flows$", processed=True, status=503))
    stage.ok("up")
    assert stage.flow().revision == 1
    stage.emulator.faults.clear()
    stage.configure(greeting="Just a second.")
    stage.emulator.faults.add(Fault(action, "POST", r"/v2/Flows/FW\w+$", processed=True, status=503))
    stage.ok("up")
    assert stage.flow().revision == 2


@pytest.mark.slow
def test_a_stale_read_right_after_a_write_is_no_change(stage: FlowStage) -> None:
    stage.emulator.backend.change_rules({"studio_lag_ms": 1500})
    stage.ok("up")
    assert stage.flow().revision == 1
    assert not stage.ok("up", "--json").json["changed"]
    stage.configure(greeting="Just a second.")
    stage.ok("flow", "push")
    assert not stage.ok("flow", "push", "--json").json["changed"]


def test_a_draft_is_saved_as_one_and_callers_keep_what_is_published(stage: FlowStage) -> None:
    stage.ok("up")
    flow = stage.flow()
    stage.configure(greeting="Just a second.", more="status: draft")
    stage.ok("up")
    assert (stage.flow().status, stage.flow().revision) == ("draft", 2)
    stage.configure(greeting="Just a second.")
    stage.ok("up")
    assert (stage.flow().status, stage.flow().revision) == ("published", 3)
    published = stage.gateway.get_flow_revision(flow.sid, "LatestPublished")
    assert published is not None
    assert published.revision == 3


def test_a_number_is_not_pointed_at_a_flow_that_was_never_published(stage: FlowStage) -> None:
    before = stage.voice_url()
    stage.configure(more="status: draft")
    refused = stage.run("up")
    assert (refused.code, "no published revision" in refused.err) == (1, True)
    bound = stage.run("bind-number", NUMBER, "--to", "flow")
    assert (bound.code, "no published revision" in bound.err) == (1, True)
    assert stage.voice_url() == before
    stage.configure()
    stage.ok("up")
    assert stage.voice_url() == stage.flow().webhook_url


def test_attach_updates_in_place_and_detach_gives_back_the_very_same_flow(stage: FlowStage) -> None:
    sid = attach_config(stage)
    up = stage.ok("up")
    assert "attached at main_menu_split.match:2" in up.err
    flow = stage.find(sid)
    assert (flow.friendly_name, flow.revision) == ("Main menu", 2)
    before = {state["name"]: state for state in MENU["flow"]["states"]}
    after = states(flow)
    changed = [name for name, state in before.items() if after[name] != state]
    assert changed == ["main_menu_split"]
    assert after["main_menu_split"]["transitions"][2]["next"] == "ga_engage"
    assert not stage.ok("flow", "attach", "--json").json["changed"]

    attach_again = stage.find(sid).revision
    assert attach_again == 2
    stage.configure(more=f"attach_to: {sid}, after: greeting.audioComplete", numbers=False)
    moved = stage.ok("flow", "attach", "--json").json
    assert moved["diff"]["changed"].keys() == {"greeting", "main_menu_split", "ga_before"}

    detached = stage.ok("flow", "detach", "--json").json
    assert detached["flow"]["revision"] == 4
    assert stage.find(sid).definition == MENU["flow"]
    assert stage.run("flow", "detach").code == 1


def test_what_somebody_else_saves_meanwhile_is_not_overwritten(stage: FlowStage) -> None:
    sid = attach_config(stage)
    stage.ok("up")
    stage.configure(greeting="Just a second.", more=f"attach_to: {sid}, after: '{MENU['after']}'", numbers=False)

    def intrude(exchange: Any) -> None:
        if exchange.url.endswith("/Flows/Validate"):
            store = stage.emulator.backend.store
            row = store.one("revisions", flow=sid)
            assert row is not None
            store.insert("revisions", {**{k: v for k, v in row.items() if k != "seq"}, "revision": row["revision"] + 1})

    dispatcher = stage.emulator._dispatcher
    assert dispatcher is not None
    dispatcher._on_exchange = intrude
    refused = stage.run("flow", "attach")
    assert refused.code == 1
    assert "changed since it was read" in refused.err
    dispatcher._on_exchange = None
    assert stage.find(sid).revision == 3
    assert stage.ok("flow", "attach", "--json").json["flow"]["revision"] == 4


def test_status_tells_what_somebody_did_to_our_flow(stage: FlowStage) -> None:
    stage.ok("up")
    assert stage.ok("status", "--json").json["drift"] == []
    flow = stage.flow()
    edited = copy.deepcopy(flow.definition)
    next(state for state in edited["states"] if state["type"] == "say-play")["properties"]["say"] = "By hand."
    stage.gateway.update_flow(flow, "published", edited, "edited in the Console")
    (drift,) = stage.ok("status", "--json").json["drift"]
    assert drift["address"] == "flow:GenerativeAgent"
    assert "revision 2 was not saved by ga-deploy" in drift["what"]
    assert stage.run("status", "--detailed-exitcode").code == 2
    stage.ok("up")
    assert stage.ok("status", "--json").json["drift"] == []
    stage.gateway.delete_flow(flow.sid)
    assert {"address": "flow:GenerativeAgent", "what": "somebody deleted it"} in stage.ok("status", "--json").json[
        "drift"
    ]


def test_status_tells_when_our_widgets_were_taken_out_of_their_flow(stage: FlowStage) -> None:
    sid = attach_config(stage)
    stage.ok("up")
    flow = stage.find(sid)
    stage.gateway.update_flow(flow, "published", {**MENU["flow"], "description": "mine again"}, "back to mine")
    (drift,) = stage.ok("status", "--json").json["drift"]
    assert "took our widgets out" in drift["what"]


def test_a_draft_that_somebody_works_on_is_not_published(stage: FlowStage) -> None:
    sid = attach_config(stage)
    flow = stage.find(sid)
    stage.gateway.update_flow(flow, "draft", MENU["flow"], "half done")
    refused = stage.run("up")
    assert refused.code == 1
    assert "not published" in refused.err
    assert stage.find(sid).revision == 2


def test_a_flow_that_is_not_there_and_an_exit_that_is_not_there(stage: FlowStage) -> None:
    stage.configure(more=f"attach_to: FW{'0' * 32}, after: a.b", numbers=False)
    missing = stage.run("up")
    assert (missing.code, "there is no flow" in missing.err) == (1, True)
    sid = attach_config(stage)
    stage.configure(more=f"attach_to: {sid}, after: main_meny.keypress", numbers=False)
    wrong = stage.run("plan")
    assert wrong.code == 1
    assert "did you mean `main_menu`?" in wrong.err


def test_push_needs_functions_and_attach_needs_a_flow(stage: FlowStage) -> None:
    assert "not deployed" in stage.run("flow", "push").err
    attach = stage.run("flow", "attach")
    assert (attach.code, "flow.attach_to" in attach.err) == (3, True)


def test_a_definition_that_twilio_refuses_is_explained(stage: FlowStage) -> None:
    details = {"errors": [{"message": "is required", "property_path": "#/states/4/properties/to"}], "warnings": []}
    body = json.dumps({"code": 81022, "message": "invalid", "status": 400, "details": details})
    stage.emulator.faults.add(Fault("status", "POST", "/Flows/Validate", status=400, body=body))
    refused = stage.run("up")
    assert refused.code == 1
    assert "#/states/4/properties/to: is required" in refused.err
    assert stage.flows() == []
    assert not stage.voice_url().startswith("https://webhooks")
    stage.ok("up")
    assert stage.voice_url() == stage.flow().webhook_url


def test_a_flow_from_the_console_can_be_the_base(stage: FlowStage) -> None:
    (stage.folder / "menu.json").write_text(json.dumps(MENU["flow"]))
    stage.configure(more=f"base: ./menu.json, after: '{MENU['after']}'")
    stage.ok("up")
    assert states(stage.flow())["main_menu_split"]["transitions"][2]["next"] == "ga_engage"
    assert "help_desk" in states(stage.flow())
    assert not stage.ok("up", "--json").json["changed"]
    stage.configure(more="base: ./menu.json, after: help_desc.callCompleted")
    wrong = stage.run("plan")
    assert (wrong.code, "did you mean `help_desk`?" in wrong.err, "config.yaml:11" in wrong.err) == (3, True, True)
    odd_next, odd_condition, no_start = (json.loads(json.dumps(MENU["flow"])) for _ in range(3))
    odd_next["states"][0]["transitions"][0]["next"] = ["main_menu"]
    next(state for state in odd_condition["states"] if state["name"] == "main_menu_split")["transitions"][2][
        "conditions"
    ] = [{"friendly_name": "x", "type": "equal_to", "value": "1", "arguments": [{}]}]
    del no_start["initial_state"]
    empty: dict[str, Any] = {}
    for flow in (empty, odd_next, odd_condition, no_start):
        (stage.folder / "menu.json").write_text(json.dumps(flow))
        for command in (("validate",), ("plan",), ("flow", "diff")):
            broken = stage.run(*command)
            assert (broken.code, "is not a Studio flow definition" in broken.err) == (3, True), broken.err


def test_a_new_name_in_the_config_renames_the_flow(stage: FlowStage) -> None:
    stage.ok("up")
    before = stage.flow()
    stage.configure(more="friendly_name: Front desk")
    stage.ok("up")
    after = stage.flow()
    assert (after.sid, after.friendly_name, after.revision) == (before.sid, "Front desk", 2)
    assert not stage.ok("up", "--json").json["changed"]


def test_destroy_deletes_our_flow_after_the_numbers(stage: FlowStage) -> None:
    before = stage.voice_url()
    stage.ok("up")
    stage.emulator.journal.reset()
    gone = stage.ok("destroy", "--yes", "--json").json
    assert gone["flow"].startswith("FW")
    assert stage.flows() == []
    assert stage.voice_url() == before
    writes = [request["target"] for request in stage.requests() if request["method"] in {"POST", "DELETE"}]
    number, flow = (next(i for i, target in enumerate(writes) if part in target) for part in ("Incoming", "/v2/Flows"))
    assert number < flow < next(i for i, target in enumerate(writes) if "/v1/Services/ZS" in target)


def test_destroy_only_detaches_from_a_flow_of_others(stage: FlowStage) -> None:
    sid = attach_config(stage)
    stage.ok("up")
    assert stage.ok("destroy", "--yes", "--json").json["flow"] == sid
    assert stage.find(sid).definition == MENU["flow"]


def switch_off(stage: FlowStage) -> None:
    text = (stage.folder / "config.yaml").read_text()
    (stage.folder / "config.yaml").write_text(text.replace("enabled: true", "enabled: false"))


def test_a_flow_that_is_no_longer_in_the_config_answers_on_until_destroy(stage: FlowStage) -> None:
    stage.configure(numbers=False)
    stage.ok("up")
    sid = stage.flow().sid
    switch_off(stage)
    for greeting in ("One moment.", "Just a second.", "Please hold."):
        text = (stage.folder / "config.yaml").read_text()
        (stage.folder / "config.yaml").write_text(text.replace("One moment.", greeting))
        changes = {one["address"]: one for one in stage.ok("plan", "--json").json["changes"]}
        assert (changes[f"flow:{sid}"]["action"], changes[f"flow:{sid}"]["reason"]) == ("keep", "removed")
        assert changes["function:/flow/call-transfer"]["reason"] == "kept_for_flow"
        stage.ok("up")
    live = dump(stage.emulator.backend, ACCOUNT_SID)["services"]["GenerativeAgentService"]["environments"]["ui"]
    assert {"/flow/engage", "/flow/call-transfer"} <= set(live["paths"]), "callers may still reach the flow"
    assert not stage.ok("up", "--json").json["changed"]
    assert stage.ok("destroy", "--yes", "--json").json["flows"] == [sid]
    assert stage.flows() == []
    assert not stage.ok("destroy", "--yes", "--json").json["removed"]


@pytest.mark.parametrize("keeps_the_variable", [True, False])
def test_widgets_in_a_flow_that_is_no_longer_in_the_config_are_removed(
    stage: FlowStage, keeps_the_variable: bool
) -> None:
    """The record remembers the flow, with or without the variable that tells its SID."""
    sid = attach_config(stage)
    stage.ok("up")
    switch_off(stage)
    stage.ok("up")
    if not keeps_the_variable:
        [variable] = (v for v in stage.emulator.backend.store.rows("variables") if v["key"] == "GA_FLOW_SID")
        stage.emulator.backend.store.delete("variables", sid=variable["sid"])
    answer = stage.ok("plan")
    assert "our widgets are still in it" in answer.out
    assert stage.ok("destroy", "--yes", "--json").json["flows"] == [sid]
    assert stage.find(sid).definition == MENU["flow"]


def test_moving_to_another_flow_leaves_the_first_in_the_record(stage: FlowStage) -> None:
    first = attach_config(stage)
    stage.ok("up")
    second = attach_config(stage)
    stage.ok("up")
    changes = {one["address"]: one for one in stage.ok("plan", "--json").json["changes"]}
    assert changes[f"flow:{first}"]["reason"] == "removed"
    assert stage.ok("flow", "detach", "--yes").code == 0
    stage.ok("up")
    assert set(stage.ok("destroy", "--yes", "--json").json["flows"]) == {first, second}
    for sid in (first, second):
        assert stage.find(sid).definition == MENU["flow"]


def test_a_flow_of_ours_that_somebody_deleted_is_forgotten(stage: FlowStage) -> None:
    stage.configure(numbers=False)
    stage.ok("up")
    sid = stage.flow().sid
    switch_off(stage)
    stage.ok("up")
    stage.gateway.delete_flow(sid)
    assert f"flow:{sid}" not in {one["address"] for one in stage.ok("plan", "--json").json["changes"]}
    assert stage.ok("destroy", "--yes", "--json").json["flows"] == []


def test_a_number_that_reaches_a_flow_which_stays_strands_nobody(stage: FlowStage) -> None:
    sid = attach_config(stage)
    stage.ok("up")
    number = stage.gateway.list_numbers([NUMBER])[NUMBER]
    url = stage.find(sid).webhook_url
    stage.gateway.update_number(number.sid, replace(number.settings, voice_url=url), ["voice_url"])
    stage.ok("destroy", "--yes")
    assert stage.voice_url() == url


def test_what_the_commands_say(stage: FlowStage, golden: Callable[[str, str], None]) -> None:
    stage.ok("up")
    golden("flow/show.txt", stage.ok("flow", "show").out)
    stage.configure(greeting="Just a second.")
    golden("flow/diff.txt", stage.ok("flow", "diff").out)
    shown = stage.ok("flow", "show", "--json").json
    assert shown["format_version"] == 1
    assert stage.ok("flow", "show", "--mermaid").out.strip() == shown["mermaid"].strip()


def test_the_emulator_runs_calls_through_flows_as_studio_does(stage: FlowStage) -> None:
    stage.ok("up")
    flow = stage.flow()
    path = f"/webhooks/v1/Accounts/{ACCOUNT_SID}/Flows/{flow.sid}"
    call = {"CallSid": "CA" + "1" * 32, "From": "+15550100009", "To": NUMBER, "AccountSid": ACCOUNT_SID}
    status, twiml = stage.post(path, **call)
    assert status == 200
    assert f"/flow/engage?FlowSid={flow.sid}&amp;profile=&amp;transfer=</Redirect>" in twiml
    assert stage.post(f"{path}?FlowEvent=return", **{**call, "CallSid": "CA" + "2" * 32})[0] == 404
    # ASAPP knows of no call: the stream never opened, the function answers `failed`, and the flow takes that branch.
    status, twiml = stage.post(f"{path}?FlowEvent=return&outcome=engaged&transferId=x", **call)
    assert (status, "<Number>+15550100001</Number>" in twiml) == (200, True)
    way_back = twiml.split('action="')[1].split('"')[0].replace("https://webhooks.twilio.com", "").replace("&amp;", "&")
    assert "We are sorry" in stage.post(f"/webhooks{way_back}", **call, DialCallStatus="busy")[1]
    executions = stage.gateway._http.list(Product.STUDIO, f"/Flows/{flow.sid}/Executions", "executions")
    steps = stage.gateway._http.list(
        Product.STUDIO, f"/Flows/{flow.sid}/Executions/{executions[0].text('sid')}/Steps", "steps"
    )
    assert [step.text("transitioned_to") for step in reversed(steps)] == [
        "ga_engage",
        "ga_transfer",
        "ga_outcome",
        "ga_failed_1_to_support",
        "ga_failed_1_status_support",
        "ga_exhausted_1_say",
    ]
    draft = json.loads(json.dumps(flow.definition))
    draft["states"][0]["transitions"][1]["next"] = "ga_exhausted_1_say"
    stage.gateway.update_flow(flow, "draft", draft, "trying something")
    assert "/flow/engage" in stage.post(path, **{**call, "CallSid": "CA" + "3" * 32})[1]


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
