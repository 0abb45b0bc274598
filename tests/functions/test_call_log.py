"""The event `call`: every document may be the last that is heard of a call, so each one tells how far it has come."""

from __future__ import annotations

from typing import Any


def told(answer: Any) -> dict[str, Any]:
    found = [one for one in answer.log if one["event"] == "call"]
    assert len(found) == 1, "each document tells it once"
    (event,) = found
    assert event.pop("event") == "call"
    assert event.pop("so_far") is True
    return dict(event)


def test_a_call_is_told_from_document_to_document(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"outcomes": {"agent": [{"send": "support"}, {"send": "flex"}]}})
    release = functions.bundle.fingerprint
    engaged = functions.post("/engage?profile=es")
    transfer = engaged.parameters["asapp_callTransferId"]
    base = {"callSid": bench.call, "transferId": transfer, "release": release, "profile": "es", "legs": 1, "waited": 0}
    assert told(engaged) == {**base, "outcome": "engaged"}
    first = functions.post(engaged.action)
    assert told(first) == {**base, "outcome": "agent", "tried": "support"}
    second = functions.post(first.action, DialCallStatus="busy")
    assert told(second) == {**base, "outcome": "agent", "tried": "flex"}
    last = functions.post(second.action, QueueResult="queue-full")
    assert told(last) == {**base, "outcome": "agent", "tried": "flex", "taken": False, "exhausted": True}
    taken = functions.post(second.action, QueueResult="bridged")
    assert told(taken) == {**base, "outcome": "agent", "tried": "flex", "taken": True}
    over = functions.post(second.action, QueueResult="bridged", CallStatus="completed")
    assert told(over) == {**base, "outcome": "agent", "tried": "flex", "taken": True}


def test_waiting_and_later_streams_are_told(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy()
    asapp.transfer = [bench.ongoing]
    functions.clock(now="2026-03-02T12:00:00Z")
    engaged = functions.post("/engage")
    functions.clock(now="2026-03-02T12:01:00Z")
    pending = functions.post(engaged.action)
    assert told(pending)["outcome"] == "pending"
    functions.clock(now="2026-03-02T12:01:20Z")
    again = functions.post(pending.action)
    event = told(again)
    assert (event["outcome"], event["legs"]) == ("engaged", 2)
    assert event["transferId"] == again.parameters["asapp_callTransferId"]
    assert event["waited"] >= 20
    functions.clock(now="2026-03-02T12:05:00Z")
    asapp.transfer = [bench.completed("AGENT")]
    last = told(functions.post(again.action))
    assert (last["outcome"], last["legs"], last["tried"]) == ("agent", 2, "billing")
    assert last["waited"] >= event["waited"], "what was waited for after the first stream counts too"


def test_every_way_out_tells_it(functions: Any, asapp: Any, bench: Any) -> None:
    url = f"/call-complete?transfer={bench.transfer}"
    assert told(functions.post(url, CallStatus="completed"))["outcome"] == "abandoned"
    asapp.transfer = [bench.completed()]
    assert told(functions.post(url))["outcome"] == "completed"
    functions.set(GA_ENABLED="off")
    assert told(functions.post("/engage"))["tried"] == "direct"
    functions.set()
    asapp.stream = [bench.reply(403)]
    failed = told(functions.post("/engage"))
    assert (failed["outcome"], failed["tried"]) == ("failed", "support")
    assert not [one for one in functions.post("/stream-status").log if one["event"] == "call"]


def test_a_flow_tells_it_too(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"flow": {"enabled": True}})
    flow = "FW" + "7" * 32
    engaged = functions.post(f"/flow/engage?FlowSid={flow}")
    assert told(engaged)["outcome"] == "engaged"
    assert told(functions.post("/flow/call-transfer", judged=False, transfer=bench.transfer))["outcome"] == "agent"
