"""The functions for Studio: through the agent and back to the flow, and what the flow is told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

FLOW = "FW" + "7" * 32
RETURN = f"https://webhooks.twilio.com/v1/Accounts/AC{'0' * 32}/Flows/{FLOW}"


@pytest.fixture
def functions(deploy: Any) -> Any:
    return deploy({"flow": {"enabled": True}})


def returned(answer: Any, bench: Any) -> dict[str, str]:
    assert answer.verbs[-1] == "Redirect"
    url = answer.root[-1].text
    assert url.startswith(RETURN + "?")
    query = bench.query(url)
    assert query.pop("FlowEvent") == "return"
    return dict(query)


@pytest.mark.parametrize("path", ["/flow/engage?", "/engage?FlowEvent=return&"])
def test_a_call_goes_to_the_agent_and_back_to_the_flow(functions: Any, bench: Any, path: str) -> None:
    answer = functions.post(f"{path}FlowSid={FLOW}&profile=es")
    assert answer.verbs == ["Connect", "Redirect"]
    assert answer.find("Connect").attrib == {}, "with an action Twilio would not come to the Redirect"
    transfer = answer.parameters["asapp_callTransferId"]
    assert returned(answer, bench) == {"outcome": "engaged", "transferId": transfer, "profile": "es"}
    assert (transfer == bench.call) == path.startswith("/engage"), "ASAPP's recipe looks the result up by CallSid"


def test_the_flow_may_stand_in_a_variable(functions: Any, bench: Any) -> None:
    functions.set(GA_FLOW_SID=FLOW)
    assert returned(functions.post("/engage?FlowEvent=return"), bench)["outcome"] == "engaged"


@pytest.mark.parametrize("sid", ["", "FW1", "../..", "FW" + "g" * 32, FLOW + "?x=", '"><Dial>'])
@pytest.mark.parametrize("path", ["/flow/engage", "/engage?FlowEvent=return"])
def test_without_a_flow_there_is_the_failed_outcome(functions: Any, asapp: Any, path: str, sid: str) -> None:
    answer = functions.post(path, FlowSid=sid)
    assert answer.verbs == ["Say", "Dial"]
    assert answer.level("flow.unknown") == "error"
    assert asapp.seen == []


def test_an_account_that_is_none_is_no_way_back(functions: Any) -> None:
    assert functions.post(f"/flow/engage?FlowSid={FLOW}", AccountSid="AC/../x").verbs == ["Say", "Dial"]


def test_the_flow_is_told_when_there_is_no_agent(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.stream = [bench.reply(403)]
    answer = functions.post(f"/flow/engage?FlowSid={FLOW}")
    assert answer.verbs == ["Redirect"]
    assert returned(answer, bench)["outcome"] == "failed"
    functions.set(GA_ENABLED="off")
    assert returned(functions.post(f"/flow/engage?FlowSid={FLOW}"), bench)["outcome"] == "bypass"


def test_the_result_is_told_as_json(functions: Any, bench: Any) -> None:
    answer = functions.post("/flow/call-transfer", judged=False, transfer=bench.transfer)
    assert (answer.status, answer.content_type) == (200, "application/json")
    told = answer.json
    assert told["outcome"] == "agent"
    assert told["callTransferStatus"] == "COMPLETED"
    assert told["transferType"] == "AGENT"
    assert told["currentTaskName"] == "Billing"
    assert told["referenceVariables"] == {"accountId": "A-1"}
    assert told["transferVariables"] == {"reason": "refund"}


def test_the_result_fits_what_studio_takes(functions: Any, asapp: Any, bench: Any) -> None:
    many = {f"name{at}": "🙂" * 200 for at in range(150)}
    asapp.transfer = [bench.completed("AGENT", transferVariables=many, referenceVariables={"short": "kept", **many})]
    answer = functions.post("/flow/call-transfer", judged=False)
    assert answer.status == 200
    assert len(answer.text.encode()) <= 64_000
    assert answer.json["outcome"] == "agent"


def test_a_late_result_is_pending_and_asked_for_again_boundedly(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.missing]
    told: dict[str, Any] = {"since": "", "seen": ""}
    for _ in range(9):
        answer = functions.post("/flow/call-transfer", judged=False, since=told["since"], seen=told["seen"])
        told = answer.json
        if told["outcome"] != "pending":
            break
    assert told["outcome"] == "failed"


def test_a_flow_waits_by_the_clock_and_asks_nine_times_at_most(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"flow": {"enabled": True}, "asapp": {"reconnect": 0}, "waiting": {"max_seconds": 120}})
    asapp.transfer = [bench.ongoing]
    functions.clock(now="2026-03-02T12:00:00Z")
    told = functions.post("/flow/call-transfer", judged=False).json
    began = told["since"]
    functions.clock(now="2026-03-02T12:01:20Z")
    later = functions.post("/flow/call-transfer", judged=False, since=began, seen=told["seen"]).json
    assert later["outcome"] == "pending", "120 s are 120 s"
    assert later["since"].partition(".")[0] == began.partition(".")[0]
    functions.clock(now="2026-03-02T12:02:30Z")
    assert functions.post("/flow/call-transfer", judged=False, since=began, seen="").json["outcome"] == "dropped"
    functions.clock(now="2026-03-02T12:00:00Z")
    asked = 1
    while told["outcome"] == "pending":
        form = {"since": told["since"], "seen": told["seen"]}
        told = functions.post("/flow/call-transfer", judged=False, **form).json
        asked += 1
    assert asked == 9


def test_what_asapp_refuses_takes_the_fail_exit_with_a_reason(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.reply(403)]
    answer = functions.post("/flow/call-transfer", judged=False)
    assert answer.status == 502
    assert "ASAPP" in answer.json["error"]


def test_steps_can_be_run_for_a_flow(functions: Any, bench: Any) -> None:
    """A flow redirects here for what its widgets cannot say."""
    query = f"outcome=system&step=0&transfer={bench.transfer}"
    answer = functions.post(f"/call-complete?{query}")
    assert answer.verbs == ["Redirect"]
    assert urlsplit(answer.action).hostname == "ivr.example.com"


@pytest.mark.parametrize("outcome", ["failed", "bypass"])
def test_what_the_flow_knows_already_is_not_asked(functions: Any, asapp: Any, bench: Any, outcome: str) -> None:
    answer = functions.post("/flow/call-transfer", judged=False, transfer=bench.transfer, outcome=outcome)
    assert (answer.status, answer.json["outcome"], answer.json["transferId"]) == (200, outcome, bench.transfer)
    assert asapp.seen == []


def test_a_broken_stream_is_taken_up_again_by_the_flow(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.ongoing]
    told: dict[str, Any] = {"outcome": "pending"}
    while told["outcome"] == "pending":
        form = {"since": told.get("since", ""), "seen": told.get("seen", "")}
        told = functions.post("/flow/call-transfer", judged=False, transfer=bench.transfer, **form).json
    assert (told["outcome"], told["reconnect"]) == ("reconnect", f"{bench.transfer}-2")
    assert "since" not in told, "the second conversation is waited for as long as the first"
    again = functions.post(f"/flow/engage?FlowSid={FLOW}&transfer={told['reconnect']}")
    assert again.verbs == ["Connect", "Redirect"], "nobody is greeted twice"
    assert again.parameters["asapp_callTransferId"] == told["reconnect"]
    assert again.parameters["asapp_externalConversationId"] == bench.call
    assert returned(again, bench)["transferId"] == told["reconnect"]
    last = functions.post("/flow/call-transfer", judged=False, transfer=told["reconnect"], since="0000000000000.8").json
    assert last["outcome"] == "dropped", "as often as asapp.reconnect says, and no more"


def test_task_attributes_and_caller_ids_come_ready_made(deploy: Any, asapp: Any, bench: Any) -> None:
    attributes = {"reason": {"from": "transferVariables.reason"}, "city": {"from": "call.FromCity"}, "kind": "voice"}
    flex = {"enqueue": {"workflow_sid": "WW" + "0" * 32, "attributes": attributes}}
    functions = deploy({"flow": {"enabled": True}, "destinations": {"flex": flex}})
    asapp.transfer = [bench.completed("AGENT", transferVariables={"reason": 'a "quoted"\nreason'})]
    told = functions.post("/flow/call-transfer", judged=False, From="+266696687", FromCity="Bonn").json
    expected = {"reason": 'a "quoted" reason', "city": "Bonn", "kind": "voice"}
    assert json.loads(told["attributes"]["flex"]) == expected
    assert told["callerId"]["caller"] == told["callerId"]["called"], "a withheld number cannot be shown"
