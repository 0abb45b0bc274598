"""URLs that the last release wrote into its documents: the calls that carry them go on under the new functions.

Its names were `r` (the release), `q.NAME` (a query parameter), `waited` (counted seconds) with `seen` as letters, and
for a flow `attempt`. They are read for one minor version. The URLs are written here as that release wrote them.
"""

from __future__ import annotations

from typing import Any

import pytest

OLD_RELEASE = "r=0ldc0de1"


@pytest.fixture
def transfer(bench: Any) -> str:
    return str(bench.transfer)


def test_a_conversation_that_ends(functions: Any, transfer: str) -> None:
    answer = functions.post(f"/call-complete?transfer={transfer}&{OLD_RELEASE}&profile=es&q.campaign=summer")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.find("Say").attrib == {"voice": "Polly.Lupe", "language": "es-US"}


def test_a_query_parameter_that_a_later_step_needs(deploy: Any, asapp: Any, bench: Any, transfer: str) -> None:
    functions = deploy({"outcomes": {"agent": [{"send": "flex"}]}})
    answer = functions.post(f"/call-complete?transfer={transfer}&{OLD_RELEASE}&q.campaign=summer+%26+co")
    assert '"campaign":"summer & co"' in answer.find("Enqueue/Task").text
    assert bench.query(answer.action)["query.campaign"] == "summer & co", "and on it goes under its new name"


WAITS = {
    "the wait has just begun": ("waited=4&seen=n", ["Say", "Redirect"]),
    "it is not over yet": ("waited=8&seen=no", ["Say", "Redirect"]),
    "it is over": ("waited=16&seen=o", ["Say", "Dial"]),
    "it is over, and nothing was seen": ("waited=16&seen=n", ["Say", "Dial"]),
}


@pytest.mark.parametrize(("wait", "verbs"), WAITS.values(), ids=WAITS)
def test_a_result_that_is_awaited(
    deploy: Any, asapp: Any, bench: Any, transfer: str, wait: str, verbs: list[str]
) -> None:
    functions = deploy({"asapp": {"reconnect": 0}})
    asapp.transfer = [bench.missing]
    answer = functions.post(f"/call-complete?transfer={transfer}&{OLD_RELEASE}&{wait}")
    assert answer.verbs == verbs
    if verbs == ["Say", "Dial"]:
        outcome = "dropped" if "seen=o" in wait else "failed"
        assert bench.query(answer.action)["outcome"] == outcome, "what was seen before still tells"
    else:
        assert ("ongoing" in bench.query(answer.action)["seen"]) == ("seen=no" in wait)


def test_a_destination_that_was_tried(deploy: Any, bench: Any, transfer: str) -> None:
    functions = deploy({"outcomes": {"agent": [{"say": "Hold."}, {"send": "support"}, {"send": "fixed"}]}})
    url = f"/call-complete?transfer={transfer}&{OLD_RELEASE}&outcome=agent&step=1&to=support"
    answer = functions.post(url, DialCallStatus="busy")
    assert answer.find("Dial/Number").text == "+15550100008"
    assert functions.post(url, DialCallStatus="completed").verbs == []


def test_a_destination_that_was_tried_by_a_release_with_the_same_settings(
    functions: Any, bench: Any, transfer: str
) -> None:
    url = f"/call-complete?transfer={transfer}&r={functions.bundle.fingerprint}&outcome=failed&step=2&to=support"
    assert functions.post(url, DialCallStatus="busy").verbs == ["Say", "Hangup"]


def test_the_second_stream_of_a_call(deploy: Any, asapp: Any, bench: Any, transfer: str) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}})
    asapp.transfer = [bench.ongoing]
    answer = functions.post(f"/call-complete?transfer={transfer}-2&{OLD_RELEASE}")
    assert bench.query(answer.action)["outcome"] == "dropped"
    assert asapp.of("transfer")[0].path.endswith(f"/{transfer}-2")


def test_the_status_of_a_stream(functions: Any, transfer: str) -> None:
    answer = functions.post(f"/stream-status?transfer={transfer}", StreamEvent="stream-stopped")
    assert answer.event("stream")["transferId"] == transfer


def test_a_flow_that_counts_its_questions(deploy: Any, asapp: Any, bench: Any, transfer: str) -> None:
    functions = deploy({"flow": {"enabled": True}, "asapp": {"reconnect": 0}})
    asapp.transfer = [bench.missing]
    fields = {"transfer": transfer, "q.campaign": "summer"}
    pending = functions.post("/flow/call-transfer", judged=False, attempt="2", seen="o", **fields).json
    assert pending["outcome"] == "pending"
    last = functions.post("/flow/call-transfer", judged=False, attempt="8", seen="o", **fields).json
    assert last["outcome"] == "dropped", "a ninth question is the last one"


def test_a_flow_goes_on_with_a_new_stream(deploy: Any, bench: Any, transfer: str) -> None:
    functions = deploy({"flow": {"enabled": True}})
    answer = functions.post(f"/flow/engage?FlowSid=FW{'7' * 32}&profile=&transfer={transfer}-2&q.campaign=summer")
    assert answer.parameters["asapp_callTransferId"] == f"{transfer}-2"
    assert answer.parameters["campaign"] == "summer"
