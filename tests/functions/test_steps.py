"""Steps: say, play, pause, notify, send and hangup, and what happens when a destination does not take the call.

Long, since the destinations of one call are tried one after the other: their tables of cases belong beside each other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ga_deploy.render import built_in_templates


def complete(bench: Any, **query: str) -> str:
    return f"/call-complete?transfer={bench.transfer}" + "".join(f"&{name}={value}" for name, value in query.items())


def agent(*steps: object) -> dict[str, object]:
    return {"outcomes": {"agent": list(steps)}}


def test_steps_are_said_in_order(deploy: Any, bench: Any) -> None:
    functions = deploy(
        agent(
            {"say": "One <moment> & please."},
            {"play": "https://cdn.example.com/a.wav?b=1&c=2"},
            {"pause": 3},
            {"say": {"text": "¡Hola!", "voice": "Polly.Lupe", "language": "es-US"}},
            "hangup",
        )
    )
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Play", "Pause", "Say", "Hangup"]
    assert answer.find("Say").text == "One <moment> & please."
    assert answer.find("Play").text == "https://cdn.example.com/a.wav?b=1&c=2"
    assert answer.root[3].text == "¡Hola!"
    assert answer.root[3].attrib == {"voice": "Polly.Lupe", "language": "es-US"}


def test_a_profile_speaks_with_its_own_voice(functions: Any, bench: Any) -> None:
    answer = functions.post(complete(bench, profile="es"))
    assert answer.find("Say").attrib == {"voice": "Polly.Lupe", "language": "es-US"}


CALLERS = {
    "an ordinary caller": ({}, "+15551112222", "+15550100000"),
    "anonymous": ({"From": "anonymous"}, "+15550100000", "+15550100000"),
    "withheld, as Twilio spells it": ({"From": "+266696687"}, "+15550100000", "+15550100000"),
    "a SIP caller": ({"From": "sip:alice@pbx.example.com"}, "+15550100000", "+15550100000"),
    "a SIP call to a SIP domain": ({"From": "sip:a@b.example", "To": "sip:c@d.example"}, None, None),
    "a client": ({"From": "client:alice"}, "+15550100000", "+15550100000"),
    "no number at all": ({"From": ""}, "+15550100000", "+15550100000"),
    "a forged number": ({"From": '+1555"><Dial>'}, "+15550100000", "+15550100000"),
    "a call that was placed for us": (
        {"Direction": "outbound-api", "From": "+15550100000", "To": "+15551112222"},
        "+15550100000",
        "+15550100000",
    ),
}


@pytest.mark.parametrize(("fields", "caller", "called"), CALLERS.values(), ids=CALLERS)
def test_the_number_that_is_shown(deploy: Any, bench: Any, fields: Any, caller: Any, called: Any) -> None:
    functions = deploy({"outcomes": {"agent": [{"send": "direct"}], "system": [{"send": "support"}]}})
    assert functions.post(complete(bench), **fields).find("Dial").get("callerId") == caller
    url = complete(bench, outcome="system", step="0")
    assert functions.post(url, **fields).find("Dial").get("callerId") == called


@pytest.mark.parametrize("rule", ["support", "direct"])
@pytest.mark.parametrize("fields", [{"From": "client:alice", "To": ""}, {"From": "sip:a@b.example", "To": "sip:c@d"}])
def test_callers_that_called_no_number_are_shown_as_one_of_ours(
    deploy: Any, bench: Any, rule: str, fields: dict[str, str]
) -> None:
    ours = [{"number": "+15550100055"}, {"number": "+15550100056"}]
    wanted = {"caller_id": "+15550100044", "phone_numbers": ours}
    for config, shown in ((wanted, "+15550100044"), ({"phone_numbers": ours}, "+15550100055")):
        functions = deploy({**agent({"send": rule}), **config})
        assert functions.post(complete(bench), **fields).find("Dial").get("callerId") == shown


def test_a_fixed_caller_id_is_shown_to_everybody(deploy: Any, bench: Any) -> None:
    answer = deploy(agent({"send": "fixed"})).post(complete(bench), From="anonymous")
    assert answer.find("Dial").get("callerId") == "+15550100077"


def test_a_queue_gets_attributes_and_a_way_back(deploy: Any, bench: Any) -> None:
    functions = deploy(agent({"send": "flex"}))
    engaged = functions.post("/engage?campaign=summer%20%26%20co")
    answer = functions.post(engaged.action)
    assert answer.find("Enqueue").get("workflowSid") == "WW" + "0" * 32
    assert json.loads(answer.find("Enqueue/Task").text) == {"reason": "refund", "campaign": "summer & co"}
    assert bench.query(answer.action)["to"] == "flex"


def test_a_sip_transfer_has_a_way_back(deploy: Any, bench: Any) -> None:
    answer = deploy(agent({"send": "carrier"})).post(complete(bench))
    assert answer.find("Refer/Sip").text == "sip:queue@carrier.example.com"
    assert bench.query(answer.action)["to"] == "carrier"


def headers_of(answer: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.find("Dial/Sip").text).query))


def test_one_long_sip_header_does_not_cost_the_others(functions: Any, asapp: Any, bench: Any) -> None:
    variables = {"route": "billing", "reason": "refund"}
    asapp.transfer = [bench.completed("SYSTEM", currentTaskName="🙂" * 150, transferVariables=variables)]
    cut = functions.post(complete(bench))
    assert headers_of(cut)["X-Why"] == "refund"
    assert len(urlsplit(cut.find("Dial/Sip").text).query) <= 1023
    assert headers_of(cut)["X-Task"].strip("🙂") == "", "cut between two characters, not inside one"
    assert cut.event("sip.headers_cut")["cut"] == ["X-Task"]
    assert cut.level("sip.headers_cut") == "warning"


def test_sip_headers_are_cut_until_they_fit_and_what_is_left_out_is_logged(deploy: Any, asapp: Any, bench: Any) -> None:
    names = [f"X-Quite-A-Long-Name-For-A-Header-That-Somebody-Chose-{at:02}" for at in range(20)]
    headers = {name: {"from": "transferVariables.reason"} for name in names}
    sip = {"sip": "sip:billing@pbx.example.com", "headers": {**headers, "X-Short": "x"}}
    functions = deploy({"destinations": {"pbx": sip}, **agent({"send": "pbx"})})
    asapp.transfer = [bench.completed("AGENT", transferVariables={"reason": "ü" * 400})]
    answer = functions.post(complete(bench))
    told = answer.event("sip.headers_cut")
    sent = headers_of(answer)
    assert len(urlsplit(answer.find("Dial/Sip").text).query) <= 1023
    assert set(sent) | set(told["left"]) == {*names, "X-Short"}
    assert "X-Short" in sent, "a short one that comes later still fits"
    assert set(told["cut"]) == set(sent) - {"X-Short"}


GIVES_WAY: dict[str, tuple[str, dict[str, str]]] = {
    "busy": ("support", {"DialCallStatus": "busy"}),
    "no answer": ("support", {"DialCallStatus": "no-answer"}),
    "failed": ("support", {"DialCallStatus": "failed"}),
    "canceled": ("support", {"DialCallStatus": "canceled"}),
    "something new": ("support", {"DialCallStatus": "confused"}),
    "nothing said": ("support", {}),
    "queue full": ("flex", {"QueueResult": "queue-full"}),
    "queue error": ("flex", {"QueueResult": "error"}),
    "queue system error": ("flex", {"QueueResult": "system-error"}),
    "left the queue": ("flex", {"QueueResult": "leave"}),
    "REFER refused": ("carrier", {"ReferCallStatus": "failed", "ReferSipResponseCode": "603"}),
    "REFER busy": ("carrier", {"ReferCallStatus": "busy", "ReferSipResponseCode": "202"}),
    "REFER refused at once": ("carrier", {"ReferSipResponseCode": "405"}),
}


@pytest.mark.parametrize(("first", "result"), GIVES_WAY.values(), ids=GIVES_WAY)
def test_a_destination_that_does_not_take_the_call_gives_way(
    deploy: Any, bench: Any, first: str, result: dict[str, str]
) -> None:
    functions = deploy(agent({"send": first}, {"say": "Let me try somebody else."}, {"send": "fixed"}))
    tried = functions.post(complete(bench))
    second = functions.post(tried.action, **result)
    assert second.verbs == ["Say", "Dial"]
    assert second.find("Dial/Number").text == "+15550100008"
    last = functions.post(second.action, DialCallStatus="no-answer")
    assert last.verbs == ["Say", "Hangup"]
    assert last.find("Say").text == "Nobody is available."


TAKEN = {
    "completed": ("support", {"DialCallStatus": "completed"}),
    "answered": ("support", {"DialCallStatus": "answered"}),
    "bridged": ("flex", {"QueueResult": "bridged"}),
    "redirected": ("flex", {"QueueResult": "redirected"}),
    "being bridged": ("flex", {"QueueResult": "bridging-in-process"}),
    "REFER accepted": ("carrier", {"ReferCallStatus": "in-progress", "ReferSipResponseCode": "202"}),
    "REFER accepted, no NOTIFY": ("carrier", {"ReferSipResponseCode": "202"}),
}


@pytest.mark.parametrize(("first", "result"), TAKEN.values(), ids=TAKEN)
def test_after_a_destination_took_the_call_nothing_follows(
    deploy: Any, asapp: Any, bench: Any, first: str, result: dict[str, str]
) -> None:
    functions = deploy(agent({"send": first}, {"send": "fixed"}))
    tried = functions.post(complete(bench))
    asked = len(asapp.seen)
    done = functions.post(tried.action, **result)
    assert done.verbs == []
    assert len(asapp.seen) == asked
    assert functions.post(tried.action, CallStatus="completed", **result).event("ended")


def test_exhausted_may_lead_on_itself(deploy: Any, bench: Any) -> None:
    functions = deploy(
        {"outcomes": {"agent": [{"send": "support"}], "exhausted": [{"send": "fixed"}, {"say": "Sorry."}]}}
    )
    first = functions.post(functions.post(complete(bench)).action, DialCallStatus="busy")
    assert first.find("Dial/Number").text == "+15550100008"
    assert bench.query(first.action)["outcome"] == "exhausted"
    last = functions.post(first.action, DialCallStatus="busy")
    assert last.verbs == ["Say", "Hangup"]


@pytest.mark.parametrize("outcome", ["agent", "system", "dropped", "unknown", "failed", "bypass"])
def test_steps_that_lead_nowhere_end_in_exhausted(deploy: Any, bench: Any, outcome: str) -> None:
    functions = deploy({"outcomes": {outcome: [{"say": "One moment."}]}})
    answer = functions.post(complete(bench, outcome=outcome, step="0"))
    assert answer.verbs == ["Say", "Say", "Hangup"]


def test_a_goodbye_needs_no_excuse(deploy: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.completed()]
    answer = deploy({"outcomes": {"completed": [{"say": "Goodbye."}]}}).post(complete(bench))
    assert answer.verbs == ["Say", "Hangup"]


def test_a_goodbye_that_leads_on_has_one_when_it_does_not(deploy: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.completed()]
    functions = deploy({"outcomes": {"completed": [{"send": "night_desk"}]}})
    functions.clock(now="2026-12-25T18:00:00Z")
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Say", "Hangup"]
    assert answer.find("Say").text == "Nobody is available."


HOURS = {  # New York: UTC-5 until 2026-03-08, then UTC-4
    "Monday 17:59": ("2026-03-02T22:59:00Z", False),
    "Monday 18:00": ("2026-03-02T23:00:00Z", True),
    "Tuesday 07:59, the night of Monday": ("2026-03-03T12:59:00Z", True),
    "Tuesday 08:00": ("2026-03-03T13:00:00Z", False),
    "Monday 07:00, after a Sunday that ends at midnight": ("2026-03-02T12:00:00Z", False),
    "Saturday 03:00": ("2026-03-07T08:00:00Z", True),
    "Sunday 23:59": ("2026-03-02T04:59:00Z", True),
    "the day the clocks change": ("2026-03-08T18:00:00Z", True),
    "Monday 18:00 in summer": ("2026-07-06T22:00:00Z", True),
    "Monday 17:59 in summer": ("2026-07-06T21:59:00Z", False),
    "Christmas at night": ("2026-12-26T02:00:00Z", False),
    "the night before Christmas, past midnight": ("2026-12-25T06:00:00Z", False),
    "the night before Christmas": ("2026-12-25T02:00:00Z", True),
    "the day after Christmas": ("2026-12-26T12:00:00Z", True),
}


@pytest.mark.parametrize(("now", "is_open"), HOURS.values(), ids=HOURS)
def test_hours(deploy: Any, bench: Any, now: str, is_open: bool) -> None:
    functions = deploy(agent({"send": "night_desk"}, {"send": "fixed"}))
    functions.clock(now=now)
    number = functions.post(complete(bench)).find("Dial/Number").text
    assert number == ("+15550100002" if is_open else "+15550100008")


def test_a_zone_that_node_does_not_know_counts_as_open(deploy: Any, bench: Any) -> None:
    settings = (built_in_templates()["functions/lib/settings.private.js.j2"]).read_text(encoding="utf-8")
    older = "\nmodule.exports.destinations.night_desk.hours.timezone = 'Moon/Tycho';\n"
    files = {"templates/functions/lib/settings.private.js.j2": settings + older}
    functions = deploy({"templates": "./templates", **agent({"send": "night_desk"}, "hangup")}, files=files)
    assert functions.post(complete(bench)).verbs == ["Dial"]


def test_a_web_hook_is_told_with_a_signature(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.transfer = [bench.completed("SYSTEM")]
    functions.post(complete(bench))
    functions.post(complete(bench))
    first, second = asapp.of("notify")
    assert first.method == "POST"
    assert first.headers["content-type"] == "application/json"
    body = json.loads(first.body)
    assert body["outcome"] == "system"
    assert body["transferId"] == bench.transfer
    assert body["callSid"] == bench.call
    assert body["transferVariables"] == {"reason": "refund"}
    time, signature = (part.partition("=")[2] for part in first.headers["x-ga-signature"].split(","))
    wanted = hmac.new(b"hook-secret-1", time.encode() + b"." + first.body, hashlib.sha256).hexdigest()
    assert signature == wanted
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == f"{bench.transfer}.system.0"
    assert first.body == second.body


@pytest.mark.parametrize(
    "trouble", [{"hang": True}, {"drop": True}, {"status": 500}, {"status": 302}, {"body": b"x" * (2 << 20)}]
)
def test_a_web_hook_in_trouble_costs_a_second_at_most(functions: Any, asapp: Any, bench: Any, trouble: Any) -> None:
    asapp.transfer, asapp.notify = [bench.completed("SYSTEM")], [bench.reply(**trouble)]
    answer = functions.post(complete(bench))
    assert answer.verbs == ["Redirect"]
    assert answer.event("notify")["ms"] < 1500
    assert answer.level("notify") == "warning"
    assert len(asapp.of("notify")) == 1


def test_a_web_hook_is_told_once_though_destinations_are_tried(deploy: Any, asapp: Any, bench: Any) -> None:
    url = bench.base_config("")["outcomes"]["system"][0]["notify"]["url"]
    del url
    functions = deploy()
    asapp.transfer = [bench.completed("SYSTEM", transferVariables={"route": "support"})]
    tried = functions.post(complete(bench))
    functions.post(tried.action, DialCallStatus="busy")
    assert len(asapp.of("notify")) == 1


def test_a_call_of_an_older_release_goes_on_behind_what_it_tried(deploy: Any, bench: Any) -> None:
    functions = deploy(
        agent({"say": "Hold."}, {"send": "flex"}, {"say": "Next."}, {"send": "support"}, {"send": "fixed"})
    )
    url = complete(bench, r="0ldc0de1", outcome="agent", step="1", to="support")
    answer = functions.post(url, DialCallStatus="busy")
    assert answer.verbs == ["Dial"]
    assert answer.find("Dial/Number").text == "+15550100008"
    assert bench.query(answer.action)["release"] == functions.bundle.fingerprint


OLDER_SENDS: dict[str, tuple[dict[str, object], str]] = {
    "a value that names it": ({"by": {"from": "transferVariables.route"}}, "support"),
    "the default of a value that names none": (
        {"by": {"from": "transferVariables.nothing"}, "default": "support"},
        "support",
    ),
    "the default of a map": (
        {"by": {"from": "outcome.currentTaskName"}, "map": {"Other": "flex"}, "default": "support"},
        "support",
    ),
    "a value that names another by now": ({"by": {"from": "transferVariables.other"}}, "support"),
}


@pytest.mark.parametrize(("send", "tried"), OLDER_SENDS.values(), ids=OLDER_SENDS)
def test_a_call_of_an_older_release_does_not_dial_the_same_busy_destination_again(
    deploy: Any, asapp: Any, bench: Any, send: dict[str, object], tried: str
) -> None:
    functions = deploy(agent({"say": "Hold."}, {"say": "Still."}, {"send": send}, {"send": "fixed"}))
    asapp.transfer = [bench.completed("AGENT", transferVariables={"route": "support", "other": "direct"})]
    answer = functions.post(
        complete(bench, release="0ldc0de1", outcome="agent", step="1", to=tried), DialCallStatus="busy"
    )
    assert answer.find("Dial/Number").text == "+15550100008"


def test_of_two_steps_that_may_lead_there_the_one_that_did_counts(deploy: Any, asapp: Any, bench: Any) -> None:
    by_task = {"by": {"from": "outcome.currentTaskName"}, "map": {"Billing": "direct"}, "default": "support"}
    functions = deploy(agent({"send": by_task}, {"send": "support"}, {"send": "fixed"}))
    url = complete(bench, release="0ldc0de1", outcome="agent", step="9", to="support")
    assert functions.post(url, DialCallStatus="busy").find("Dial/Number").text == "+15550100008"


def test_a_call_of_an_older_release_whose_destination_is_gone_gets_the_first_one(deploy: Any, bench: Any) -> None:
    functions = deploy(agent({"say": "Hold."}, {"send": "support"}))
    answer = functions.post(complete(bench, r="0ldc0de1", outcome="agent", step="7", to="gone"), DialCallStatus="busy")
    assert answer.verbs == ["Dial"]


def test_a_call_of_an_older_release_whose_conversation_ends_is_handled_by_the_new_one(
    functions: Any, bench: Any
) -> None:
    assert functions.post(complete(bench, r="0ldc0de1", profile="gone")).verbs == ["Say", "Dial"]


def test_stream_status_is_only_logged(functions: Any, bench: Any) -> None:
    url = f"/stream-status?transfer={bench.transfer}"
    answer = functions.post(url, StreamEvent="stream-started", StreamSid="MZ" + "0" * 32)
    assert answer.verbs == []
    assert answer.event("stream") == {
        "event": "stream",
        "callSid": bench.call,
        "transferId": bench.transfer,
        "streamSid": "MZ" + "0" * 32,
        "status": "stream-started",
    }
    error = f"handshake failed\r\nwith {bench.stream_url} {{}}"
    broken = functions.post(url, StreamEvent="stream-error", StreamError=error)
    assert broken.level("stream") == "warning"
    assert "TOKEN" not in json.dumps(broken.log)
    strange = functions.post(url, StreamEvent="<evil>\u2028", StreamSid="x" * 10_000)
    assert strange.verbs == []
    assert len(strange.event("stream")["streamSid"]) == 200
