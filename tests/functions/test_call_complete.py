"""call-complete: what a caller gets in each ending, whatever ASAPP answers and however late."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

HOSTILE: dict[str, object] = {
    "markup": '"><Dial>+19005550000</Dial>',
    "lines": "a\r\nX-Evil: 1\r\n\r\nb",
    "long": "y" * 10_000,
    "emoji": "🙂" * 300,
    "half an emoji": "\ud83d",
    "null": None,
    "a number": 1.5e300,
    "true": True,
    "a list": [1, {"a": "</Task>"}],
    "an object": {"__proto__": {"polluted": "yes"}, "x": "&"},
    "a SIP header": "x&X-Evil=1?y=;z",
    "Unicode ends of line": "a\u2028b\u0085c",
    "nested without end": json.loads("[" * 500 + "]" * 500),
}


def complete(bench: Any, **query: str) -> str:
    return f"/call-complete?transfer={bench.transfer}" + "".join(f"&{name}={value}" for name, value in query.items())


def test_a_caller_who_needs_a_person_is_connected(functions: Any, asapp: Any, bench: Any) -> None:
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Dial"]
    sip = answer.find("Dial/Sip")
    assert sip.attrib == {"username": "ga", "password": "pbx-password-1"}
    assert sip.text == "sip:billing@pbx.example.com?X-Task=Billing&X-Why=refund"
    assert answer.find("Dial").get("callerId") == "+15550100000"
    query = bench.query(answer.action)
    assert (query["outcome"], query["step"], query["to"]) == ("agent", "2", "billing")
    (request,) = asapp.of("transfer")
    assert request.path == f"/generativeagent/v1/call-transfers/{bench.transfer}"
    ending = answer.event("ending")
    assert ending["outcome"] == "agent"
    assert ending["currentTaskName"] == "Billing"
    assert ending["transferVariables"] == ["reason"]
    assert ending["referenceVariables"] == ["accountId"]
    assert "refund" not in json.dumps(answer.log)
    assert "A-1" not in json.dumps(answer.log)


def test_the_same_request_twice_has_the_same_answer(functions: Any, asapp: Any, bench: Any) -> None:
    for reply in (bench.completed("AGENT"), bench.completed("SYSTEM"), bench.completed(), bench.reply(403)):
        asapp.transfer = [reply]
        functions.clock(now="2026-03-02T12:00:00Z")
        first = functions.post(complete(bench))
        functions.clock(now="2026-03-02T12:00:41Z")
        assert functions.post(complete(bench)).text == first.text


def test_a_system_transfer_goes_on_with_its_variables(functions: Any, bench: Any, asapp: Any) -> None:
    asapp.transfer = [bench.completed("SYSTEM")]
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Redirect"]
    assert answer.find("Redirect").text == "https://ivr.example.com/voice?a=1&account=A-1"


@pytest.mark.parametrize("kind", [None, ""])
def test_a_conversation_that_is_simply_over_ends_the_call(functions: Any, bench: Any, asapp: Any, kind: Any) -> None:
    asapp.transfer = [bench.completed(transferType=kind)]
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Hangup"]
    assert answer.event("ending")["outcome"] == "completed"


@pytest.mark.parametrize("status", ["completed", "Completed", " COMPLETED "])
@pytest.mark.parametrize("kind", ["agent", "Agent"])
def test_asapp_may_write_in_any_case(functions: Any, bench: Any, asapp: Any, status: str, kind: str) -> None:
    reply = bench.completed(kind)
    reply.body["status"] = status
    reply.body["somethingNew"] = {"a": [1]}
    asapp.transfer = [reply]
    assert functions.post(complete(bench)).verbs == ["Say", "Dial"]


@pytest.mark.parametrize("state", ["completed", "canceled", "busy", "failed", "no-answer"])
def test_a_caller_who_is_gone_is_not_awaited(functions: Any, bench: Any, asapp: Any, state: str) -> None:
    answer = functions.post(complete(bench), CallStatus=state)
    assert answer.verbs == []
    assert answer.event("abandoned")["transferId"] == bench.transfer
    assert asapp.seen == []


UNKNOWN: dict[str, dict[str, object]] = {
    "expired": {"body": {"status": "EXPIRED"}},
    "an unknown status": {"body": {"status": "SLEEPING"}},
    "completed without a result": {"body": {"status": "COMPLETED"}},
    "a result that is none": {"body": {"status": "COMPLETED", "outputContext": "AGENT"}},
    "null for a result": {"body": {"status": "COMPLETED", "outputContext": None}},
    "a list for a result": {"body": {"status": "COMPLETED", "outputContext": []}},
    "a list of results": {"body": {"status": "COMPLETED", "outputContext": [{"transferType": "AGENT"}]}},
    "true for a result": {"body": {"status": "COMPLETED", "outputContext": True}},
    "an unknown type": {"body": {"status": "COMPLETED", "outputContext": {"transferType": "ROBOT"}}},
    "a type that is an object": {"body": {"status": "COMPLETED", "outputContext": {"transferType": {"a": 1}}}},
    "a prototype for a type": {"body": {"status": "COMPLETED", "outputContext": {"transferType": "__proto__"}}},
    "400": {"status": 400},
    "a redirect": {"status": 302, "headers": {"Location": "https://elsewhere.example.com/"}},
    "not modified": {"status": 304, "body": b""},
    "401": {"status": 401},
    "403": {"status": 403},
    "409": {"status": 409},
    "422": {"status": 422},
}


@pytest.mark.parametrize("reply", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_understood_is_unknown_at_once(functions: Any, bench: Any, asapp: Any, reply: Any) -> None:
    asapp.transfer = [bench.reply(**reply)]
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Dial"]
    assert bench.query(answer.action)["outcome"] == "unknown"
    assert len(asapp.of("transfer")) == 1
    assert answer.level("ending") == "warning"


LATE: dict[str, tuple[list[dict[str, object]], str]] = {
    "404 throughout": ([{"status": 404}], "failed"),
    "404 without a body": ([{"status": 404, "body": b""}], "failed"),
    "ONGOING throughout": ([{"body": {"status": "ongoing"}}], "dropped"),
    "ACTIVE throughout": ([{"body": {"status": "ACTIVE"}}], "dropped"),
    "404, then ONGOING": ([{"status": 404}, {"body": {"status": "ONGOING"}}], "dropped"),
    "500": ([{"status": 500}], "unknown"),
    "429": ([{"status": 429}], "unknown"),
    "dropped connections": ([{"drop": True}], "unknown"),
    "not JSON": ([{"body": b"<html>"}], "unknown"),
    "empty": ([{"body": b""}], "unknown"),
    "no status": ([{"body": {"id": 1}}], "unknown"),
    "404, then errors": ([{"status": 404}, {"status": 500}], "unknown"),
}


@pytest.mark.parametrize(("replies", "outcome"), LATE.values(), ids=LATE)
def test_a_result_that_never_comes_is_awaited_and_then_judged(
    deploy: Any, bench: Any, asapp: Any, replies: list[dict[str, object]], outcome: str
) -> None:
    functions = deploy({"asapp": {"reconnect": 0}})
    asapp.transfer = [bench.reply(**one) for one in replies]
    answer, turns = functions.post(complete(bench)), 0
    since = bench.query(answer.action)["since"]
    while answer.verbs in (["Say", "Redirect"], ["Pause", "Redirect"]):
        turns += 1
        assert answer.event("call")["waited"] <= 15, "waiting is bounded by `waiting.max_seconds`"
        assert bench.query(answer.action)["since"] == since, "the wait has one beginning"
        answer = functions.post(answer.action)
    assert bench.query(answer.action)["outcome"] == outcome
    assert turns >= 3
    assert answer.event("call")["waited"] >= 14, "and goes on for as long as it says"
    assert answer.event("ending")["outcome"] == outcome


def test_a_wait_is_as_long_as_it_says(functions: Any, bench: Any, asapp: Any) -> None:
    """A turn may take much longer than its polls: what is waited for counts by the clock, not by turns."""
    asapp.transfer = [bench.ongoing]
    functions.clock(now="2026-03-02T12:00:00Z")
    url = functions.post(complete(bench)).action
    functions.clock(now="2026-03-02T12:00:11Z")
    second = functions.post(url)
    assert second.verbs[-1] == "Redirect"
    assert "Connect" not in second.verbs, "back at the agent after 11 s, although 15 are allowed"
    asapp.transfer = [bench.completed("AGENT")]
    assert functions.post(second.action).verbs == ["Say", "Dial"]
    asapp.transfer = [bench.ongoing]
    functions.clock(now="2026-03-02T12:00:16Z")
    late = functions.post(url)
    assert late.verbs == ["Connect", "Redirect"]
    assert late.event("call")["waited"] >= 15


def test_the_end_of_a_wait_is_a_pause_that_ends_with_it(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"say": "x" * 120, "max_seconds": 15}})
    asapp.transfer = [bench.ongoing]
    functions.clock(now="2026-03-02T12:00:00Z")
    first = functions.post(complete(bench))
    assert first.verbs == ["Say", "Redirect"], "ten seconds of talk fit into fifteen"
    functions.clock(now="2026-03-02T12:00:10.5Z")
    second = functions.post(first.action)
    assert second.verbs == ["Pause", "Redirect"]
    assert 1 <= int(second.find("Pause").get("length")) <= 4


STATES: dict[str, tuple[dict[str, object], str | None]] = {
    "transferred to an agent": ({"body": {"state": "transferredToAgent", "currentTaskName": "Billing"}}, "agent"),
    "transferred to a system": ({"body": {"state": "transferredToSystem"}}, "system"),
    "ready": ({"body": {"state": "ready"}}, None),
    "a prototype": ({"body": {"state": "__proto__"}}, None),
    "no text": ({"body": {"state": {"transferredToAgent": 1}}}, None),
    "404": ({"status": 404}, None),
    "500": ({"status": 500, "body": {"state": "transferredToAgent"}}, None),
    "not JSON": ({"body": b"<html>"}, None),
    "no answer": ({"hang": True}, None),
}


@pytest.mark.parametrize(("reply", "outcome"), STATES.values(), ids=STATES)
def test_before_a_reconnect_asapp_is_asked_what_the_conversation_has_come_to(
    deploy: Any, bench: Any, asapp: Any, reply: dict[str, object], outcome: str | None
) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}})
    asapp.transfer, asapp.state = [bench.ongoing], [bench.reply(**reply)]
    answer = functions.post(complete(bench))
    assert [one.path for one in asapp.of("state")] == [f"/generativeagent/v1/state?externalId={bench.call}"]
    assert answer.event("asapp.state")["ms"] < 1600, "800 ms, and what a busy machine adds"
    if outcome is None:
        assert answer.verbs == ["Connect", "Redirect"]
        return
    assert "Connect" not in answer.verbs
    assert answer.event("ending")["outcome"] == answer.event("call")["outcome"] == outcome
    if outcome == "agent":
        assert answer.find("Dial/Sip").text == "sip:billing@pbx.example.com?X-Task=Billing", "without variables"


def test_without_a_reconnect_nobody_asks_for_the_state(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}, "asapp": {"reconnect": 0}})
    asapp.transfer = [bench.ongoing]
    assert bench.query(functions.post(complete(bench)).action)["outcome"] == "dropped"
    assert asapp.of("state") == []


def test_a_stream_that_never_opened_is_told_at_once(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"greeting": [{"pause": 10}]})
    asapp.transfer = [bench.missing]
    functions.clock(now="2026-03-02T12:00:00Z")
    engaged = functions.post("/engage")
    functions.clock(now="2026-03-02T12:00:11Z")
    answer = functions.post(engaged.action)
    assert answer.verbs == ["Say", "Dial"]
    assert bench.query(answer.action)["outcome"] == "failed"
    assert 2 <= len(asapp.of("transfer")) <= 4
    assert answer.event("ending")["ms"] < 4000


NOT_SO_SOON = {
    "a caller who was on for longer": ("2026-03-02T12:00:05.1Z", [{"status": 404}]),
    "one 404 only": ("2026-03-02T12:00:04.9Z", [{"status": 404}]),
    "a stream that did open": ("2026-03-02T12:00:01Z", [{"status": 404}, {"body": {"status": "ONGOING"}}]),
    "errors": ("2026-03-02T12:00:01Z", [{"status": 404}, {"status": 500}]),
}


@pytest.mark.parametrize(("now", "replies"), NOT_SO_SOON.values(), ids=NOT_SO_SOON)
def test_a_caller_whose_stream_may_have_opened_waits_on(
    functions: Any, bench: Any, asapp: Any, now: str, replies: list[dict[str, object]]
) -> None:
    functions.clock(now="2026-03-02T12:00:00Z")
    engaged = functions.post("/engage")
    asapp.transfer = [bench.reply(**one) for one in replies]
    functions.clock(now=now)
    assert functions.post(engaged.action).verbs == ["Say", "Redirect"]


def test_a_turn_of_waiting_is_short(functions: Any, bench: Any, asapp: Any) -> None:
    asapp.transfer = [bench.reply(hang=True)]
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Redirect"]
    # By the function's own watch: what the test's machine does meanwhile is no silence of the function's.
    assert answer.event("asapp.call_transfer")["ms"] < 2000
    asapp.release.set()
    asapp.transfer = [bench.ongoing]
    assert functions.post(complete(bench)).event("asapp.call_transfer")["ms"] < 2000


def test_a_throttling_asapp_is_asked_once_a_turn(functions: Any, bench: Any, asapp: Any) -> None:
    asapp.transfer = [bench.reply(429)]
    assert functions.post(complete(bench)).verbs == ["Say", "Redirect"]
    assert len(asapp.of("transfer")) == 1


def test_a_late_result_is_taken(functions: Any, bench: Any, asapp: Any) -> None:
    asapp.transfer = [bench.missing, bench.ongoing, bench.completed("AGENT")]
    assert functions.post(complete(bench)).verbs == ["Say", "Dial"]


def test_a_result_may_come_while_the_caller_waits(functions: Any, bench: Any, asapp: Any) -> None:
    asapp.transfer = [bench.ongoing]
    waiting = functions.post(complete(bench))
    asapp.transfer = [bench.completed("SYSTEM")]
    assert functions.post(waiting.action).verbs == ["Redirect"]


def test_the_caller_hears_what_the_config_plays(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"play": "https://cdn.example.com/hold.mp3", "max_seconds": 30}})
    asapp.transfer = [bench.ongoing]
    answer = functions.post(complete(bench, profile="es"))
    assert answer.verbs == ["Play", "Redirect"]
    assert answer.find("Play").text == "https://cdn.example.com/hold.mp3"
    query = bench.query(answer.action)
    assert abs(int(query.pop("since")) / 1000 - time.time()) < 600
    assert query == {
        "transfer": bench.transfer,
        "release": functions.bundle.fingerprint,
        "profile": "es",
        "seen": "ongoing",
    }


WAITS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "left open": ({}, ["Say"], ["One moment, please."]),
    "left open, in the voice of a profile": ({"profile": "es"}, ["Say"], ["Un momento, por favor."]),
    "left open, in a language that we do not speak": ({"voice": {"language": "ja-JP"}}, ["Pause"], []),
    "nothing to say": ({"waiting": {"say": ""}}, ["Pause"], []),
    "nothing to play": ({"waiting": {"play": ""}}, ["Pause"], []),
    "something to say": ({"waiting": {"say": "Still <here>.", "play": ""}}, ["Say"], ["Still <here>."]),
    "both": (
        {"waiting": {"say": "Still here.", "play": "https://cdn.example.com/hold.mp3"}},
        ["Say", "Play"],
        ["Still here.", "https://cdn.example.com/hold.mp3"],
    ),
}


@pytest.mark.parametrize(("changes", "verbs", "heard"), WAITS.values(), ids=WAITS)
def test_silence_while_waiting_is_only_for_those_who_ask_for_it(
    deploy: Any, bench: Any, asapp: Any, changes: dict[str, Any], verbs: list[str], heard: list[str]
) -> None:
    profile = changes.get("profile", "")
    functions = deploy({name: value for name, value in changes.items() if name != "profile"})
    asapp.transfer = [bench.ongoing]
    answer = functions.post(complete(bench, profile=profile))
    assert answer.verbs == [*verbs, "Redirect"]
    spoken = [element.text for element in answer.root][:-1]
    assert spoken == heard if heard else spoken == [None]


def test_no_waiting_is_possible(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}})
    asapp.transfer = [bench.missing]
    assert bench.query(functions.post(complete(bench)).action)["outcome"] == "failed"


def test_a_broken_stream_is_taken_up_again_in_the_same_conversation(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}, "asapp": {"reconnect": 2}, "greeting": [{"say": "Hello."}]})
    asapp.transfer = [bench.ongoing]
    engaged = functions.post("/engage?campaign=summer")
    url, ids = engaged.action, [engaged.parameters["asapp_callTransferId"]]
    for _ in range(2):
        answer = functions.post(url)
        assert answer.verbs == ["Connect", "Redirect"], "no second greeting"
        assert answer.parameters["asapp_externalConversationId"] == bench.call
        assert answer.parameters["campaign"] == "summer"
        ids.append(answer.parameters["asapp_callTransferId"])
        assert functions.post(url).text == answer.text, "the same request has the same answer"
        url = answer.action
        assert bench.query(url)["transfer"] == ids[-1]
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]
    assert len(asapp.of("stream")) == 5, "every new stream has a fresh URL"
    final = functions.post(url)
    assert final.verbs == ["Say", "Dial"]
    assert final.find("Say").attrib == {"voice": "Polly.Amy", "language": "en-GB"}


def test_when_no_new_stream_is_to_be_had_the_call_counts_as_dropped(deploy: Any, bench: Any, asapp: Any) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}})
    functions.post("/engage")
    asapp.transfer, asapp.stream = [bench.ongoing], [bench.failing]
    answer = functions.post(complete(bench))
    assert bench.query(answer.action)["outcome"] == "dropped"


def test_a_call_that_names_no_transfer_asks_by_its_sid(functions: Any, asapp: Any, bench: Any) -> None:
    # What ASAPP's own sample does: calls that it engaged may return to us.
    assert functions.post("/call-complete").verbs == ["Say", "Dial"]
    assert asapp.of("transfer")[0].path.endswith(f"/{bench.call}")


def test_the_transfer_of_another_call_is_not_asked_for(functions: Any, asapp: Any, bench: Any) -> None:
    functions.post("/call-complete?transfer=CA" + "9" * 32 + "-mb3k9x2c")
    assert asapp.of("transfer")[0].path.endswith(f"/{bench.call}")


def test_a_query_may_use_our_own_names(deploy: Any, asapp: Any, bench: Any) -> None:
    params = {
        "level": {"from": "query.outcome"},
        "id": {"from": "query.transfer"},
        "n": {"from": "query.step", "default": "-"},
    }
    functions = deploy({"destinations": {"ivr": {"params": params}}})
    asapp.transfer = [bench.completed("SYSTEM")]
    engaged = functions.post("/engage?outcome=gold&transfer=T-1")
    query = bench.query(functions.post(engaged.action).find("Redirect").text)
    assert query == {"a": "1", "account": "A-1", "level": "gold", "id": "T-1", "n": "-"}


CRAFTED = [
    "transfer=../../v1/health",
    "transfer=CA1/../x",
    "outcome=__proto__&step=1",
    "outcome=nothing&step=99999999999999999999",
    "outcome=agent&step=-1",
    "outcome=agent&step=1e9&to=__proto__",
    "outcome=agent&step=999&to=+19005550000",
    "profile=__proto__",
    "waited=NaN&seen=zzzz",
    "waited=-5&seen=%22%3E",
    "since=NaN&seen=__proto__.missing",
    "since=9999999999999.99&seen=missing",
    "since=0000000000000.99&seen=ongoing",
    "release=%22%3E%3CDial%3E",
    "r=%22%3E%3CDial%3E",
    "query.campaign=%22%3E%3CDial%3E",
    "q.campaign=%22%3E%3CDial%3E",
]


@pytest.mark.parametrize("query", CRAFTED)
def test_a_crafted_url_reaches_only_what_is_listed(functions: Any, asapp: Any, bench: Any, query: str) -> None:
    answer = functions.post(f"/call-complete?{query}")
    assert answer.verbs
    listed = {"+15550100001", "+15550100002", "+15550100009", "+15550100008"}
    assert all(one.text in listed for one in answer.root.iter("Number"))
    for request in asapp.of("transfer"):
        assert request.path.startswith("/generativeagent/v1/call-transfers/CA")
        assert ".." not in request.path


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_the_agent_returns_stays_text(deploy: Any, asapp: Any, bench: Any, value: object) -> None:
    outcomes = {
        "agent": [{"send": "billing"}],
        "system": [{"send": {"by": {"from": "transferVariables.to"}, "default": "flex"}}],
    }
    functions = deploy({"outcomes": outcomes})
    variables = {"reason": value, "accountId": value, "to": value, "__proto__": value}
    for kind in ("AGENT", "SYSTEM"):
        reply = bench.completed(kind, currentTaskName=value, transferVariables=variables, referenceVariables=variables)
        asapp.transfer = [reply]
        answer = functions.post(complete(bench))
        assert "19005550000" not in "".join(one.text or "" for one in answer.root.iter("Number"))
        for sip in answer.root.iter("Sip"):
            headers = dict(parse_qsl(urlsplit(sip.text or "").query))
            assert set(headers) <= {"X-Task", "X-Why"}
            assert len((sip.text or "").partition("?")[2]) < 1024
            assert not any(end in (sip.text or "") for end in "\r\n\u2028\u0085")
        for task in answer.root.iter("Task"):
            attributes = json.loads(task.text or "")
            assert set(attributes) <= {"reason", "campaign"}
            assert all(len(one) <= 500 for one in attributes.values() if isinstance(one, str))
            assert len((task.text or "").encode()) <= 4096


@pytest.mark.parametrize("variables", [None, "text", 7, [1, 2], {}, {"a": None}])
def test_variables_of_any_shape_are_survived(functions: Any, asapp: Any, bench: Any, variables: object) -> None:
    reply = bench.completed(
        "AGENT", transferVariables=variables, referenceVariables=variables, currentTaskName=variables
    )
    asapp.transfer = [reply]
    assert functions.post(complete(bench)).verbs == ["Say", "Dial"]


def test_nothing_the_agent_names_is_reached_unless_it_is_listed(functions: Any, asapp: Any, bench: Any) -> None:
    for route in ("+19005550000", "sip:evil@example.com", "__proto__", "hasOwnProperty", "", None, {"to": "flex"}):
        asapp.transfer = [bench.completed("SYSTEM", transferVariables={"route": route})]
        assert functions.post(complete(bench)).find("Redirect").text.startswith("https://ivr.example.com/")
    asapp.transfer = [bench.completed("SYSTEM", transferVariables={"route": "flex"})]
    assert functions.post(complete(bench)).verbs == ["Enqueue"]


def test_an_exception_of_ours_is_no_application_error(deploy: Any, bench: Any) -> None:
    throwing = "exports.readEnding = async () => { throw new RangeError('the value was 4111-1111'); };\n"
    functions = deploy({"templates": "./templates"}, files={"templates/functions/lib/ending.private.js.j2": throwing})
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Dial"]
    assert bench.query(answer.action)["outcome"] == "failed"
    assert answer.level("failed") == "error"
    assert answer.event("failed")["error"] == "RangeError"
    assert "4111" not in json.dumps(answer.log)


def test_an_exception_after_a_destination_was_tried_does_not_begin_anew(deploy: Any, bench: Any) -> None:
    throwing = "exports.ask = async () => { throw new Error(); };\nexports.streamUrl = async () => undefined;\n"
    functions = deploy({"templates": "./templates"}, files={"templates/functions/lib/asapp.private.js.j2": throwing})
    answer = functions.post(complete(bench, outcome="agent", step="2", to="billing"), DialCallStatus="busy")
    assert answer.verbs == ["Say", "Hangup"]
    assert answer.find("Say").text == "Nobody is available."


def test_when_even_that_fails_there_is_an_apology(deploy: Any, bench: Any) -> None:
    throwing = "exports.perform = async () => { throw null; };\nexports.speak = () => {};\n"
    functions = deploy({"templates": "./templates"}, files={"templates/functions/lib/steps.private.js.j2": throwing})
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Hangup"]
    assert functions.post(complete(bench), CallStatus="completed").verbs == []
