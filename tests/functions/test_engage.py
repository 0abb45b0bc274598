"""engage: from Twilio's webhook to a stream with GenerativeAgent, or to somebody who helps."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

HOSTILE = {
    "breaks out of XML": '"><Dial>+19005550000</Dial><Say x="',
    "breaks a line": 'a\r\nX-Injected: yes\n{"event":"forged"}',
    "is long": "x" * 10_000,
    "is emoji": "🙂" * 400,
    "is half an emoji": "a\ud83d",
    "is null": "null",
    "has a NUL": "a\0b",
    "ends lines in Unicode": "a\u2028b\u2029c\u0085d",
    "is a prototype": "__proto__",
    "is a script": "</script><script>alert(1)</script>",
    "is a template": "${process.env.ASAPP_API_SECRET} {{ lib }}",
    "is empty": "",
}


def test_a_call_goes_to_the_agent(functions: Any, bench: Any) -> None:
    answer = functions.post("/engage?campaign=summer", FromCity="BOSTON")
    assert answer.verbs == ["Connect", "Redirect"]
    stream = answer.find("Connect/Stream")
    assert stream.get("url") == bench.stream_url
    transfer = answer.parameters["asapp_callTransferId"]
    assert re.fullmatch(bench.call + r"-[0-9a-z]{8,9}", transfer)
    assert answer.parameters == {
        "asapp_callTransferId": transfer,
        "asapp_externalConversationId": bench.call,
        "customerId": "+15551112222",
        "taskName": "customer_support",
        "callerCity": "BOSTON",
        "campaign": "summer",
        "channel": "voice",
    }
    query = bench.query(answer.action)
    assert answer.action.startswith("/call-complete?")
    assert query["transfer"] == transfer
    assert query["release"] == functions.bundle.fingerprint
    assert answer.find("Redirect").text == answer.action, "where Twilio goes on when a handshake was refused"
    assert stream.get("statusCallback") == f"https://ga-1234.twil.io/stream-status?transfer={transfer}"
    assert answer.event("engage")["transferId"] == transfer


def test_asapp_is_asked_as_its_api_wants_it(deploy: Any, asapp: Any, bench: Any) -> None:
    deploy({"asapp": {"voice_agent_mode": "s2s"}}).post("/engage")
    (request,) = asapp.of("stream")
    assert request.path == "/mg-genagent/v1/twilio-media-stream-url?voiceAgentMode=s2s"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == "ga-deploy", "firewalls refuse requests that name nobody"
    assert request.headers["asapp-api-id"] == bench.api_id
    assert request.headers["asapp-api-secret"] == bench.api_secret


DOMAINS = {
    "ga-1234-stage.twil.io": "https://ga-1234-stage.twil.io/",
    " ga-1234.twil.io\n": "https://ga-1234.twil.io/",
    "localhost:3000": "http://localhost:3000/",
    "127.0.0.1:41234": "http://127.0.0.1:41234/",
    "localhost.example.com": "https://localhost.example.com/",
}


@pytest.mark.parametrize(("domain", "base"), DOMAINS.items(), ids=DOMAINS)
def test_the_status_of_a_stream_is_reported_to_this_very_environment(functions: Any, domain: str, base: str) -> None:
    functions.set(DOMAIN_NAME=domain)
    stream = functions.post("/engage").find("Connect/Stream")
    assert stream.get("statusCallback").startswith(f"{base}stream-status?transfer=CA")


@pytest.mark.parametrize("status", ["completed", "canceled", "busy", "failed", "no-answer"])
@pytest.mark.parametrize("path", ["/engage", "/engage?FlowEvent=return&FlowSid=FW" + "7" * 32])
def test_a_call_that_is_over_does_not_reach_the_agent(functions: Any, asapp: Any, path: str, status: str) -> None:
    answer = functions.post(path, CallStatus=status)
    assert answer.verbs == []
    assert asapp.seen == []
    assert answer.event("call")["outcome"] == "abandoned"


def test_blanks_around_a_variable_do_not_count(functions: Any, asapp: Any, bench: Any, fault_server: Any) -> None:
    functions.set(
        ASAPP_API_HOST=f" {fault_server.url}\n",
        ASAPP_API_ID=f"{bench.api_id} ",
        ASAPP_API_SECRET=f"\t{bench.api_secret}\r\n",
        GA_TRAFFIC_PERCENT=" 100 ",
    )
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]
    (request,) = asapp.of("stream")
    assert (request.headers["asapp-api-id"], request.headers["asapp-api-secret"]) == (bench.api_id, bench.api_secret)


@pytest.mark.parametrize("field", ["From", "FromCity", "To", "Direction", "CallerName", "FlowEvent", "profile"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_twilio_sends_stays_text(functions: Any, field: str, value: str) -> None:
    answer = functions.post("/engage", **{field: value.encode("utf-8", "replace").decode()})
    assert "Connect" in answer.verbs
    assert "19005550000" not in str([child.tag for child in answer.root.iter()])


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_the_url_says_stays_text(functions: Any, value: str) -> None:
    from urllib.parse import quote

    answer = functions.post("/engage?campaign=" + quote(value.encode("utf-8", "replace")))
    campaign = answer.parameters["campaign"]
    assert len(campaign) <= 491
    assert not re.search(r"[\x00-\x1f\u2028\u2029]", campaign)
    if value.startswith('"><Dial>'):
        assert campaign == value


def test_a_value_that_the_config_does_not_name_is_not_sent(functions: Any) -> None:
    answer = functions.post("/engage?asapp_callTransferId=mine&secretThing=1", StirVerstat="TN-Validation-Passed-A")
    assert answer.parameters["asapp_callTransferId"] != "mine"
    assert set(answer.parameters) == {
        *("asapp_callTransferId", "asapp_externalConversationId", "customerId", "taskName"),
        *("callerCity", "campaign", "channel"),
    }


def test_what_is_no_text_counts_as_absent(deploy: Any) -> None:
    headers = {"from": "call.request", "default": "none"}
    functions = deploy({"input": {"variables": {"headers": headers, "nested": {"from": "call.request.headers"}}}})
    answer = functions.post("/engage?campaign=a&campaign=b")
    assert answer.parameters["headers"] == "none"
    assert "nested" not in answer.parameters
    assert answer.parameters["campaign"] == "none", "a name that is there twice says nothing for certain"


def test_a_profile_is_picked_by_the_url(functions: Any, bench: Any) -> None:
    answer = functions.post("/engage?profile=es")
    assert answer.parameters["taskName"] == "soporte"
    assert bench.query(answer.action)["profile"] == "es"


@pytest.mark.parametrize("name", ["fr", "__proto__", "constructor", "toString"])
def test_an_unknown_profile_is_the_default_one(functions: Any, bench: Any, name: str) -> None:
    answer = functions.post(f"/engage?profile={name}")
    assert answer.parameters["taskName"] == "customer_support"
    assert "profile" not in bench.query(answer.action)
    assert answer.level("profile.unknown") == "warning"


def test_a_greeting_stands_before_the_stream(deploy: Any) -> None:
    steps = [{"say": "This call is recorded."}, {"play": "https://cdn.example.com/a.mp3"}, {"pause": 2}]
    answer = deploy({"greeting": steps}).post("/engage")
    assert answer.verbs == ["Say", "Play", "Pause", "Connect", "Redirect"]
    assert answer.find("Say").attrib == {"voice": "Polly.Joanna-Neural", "language": "en-US"}
    assert answer.find("Pause").get("length") == "2"


def test_no_greeting_is_heard_when_there_is_no_agent(deploy: Any, asapp: Any, bench: Any) -> None:
    asapp.stream = [bench.reply(403)]
    answer = deploy({"greeting": [{"say": "Hello."}]}).post("/engage")
    assert [one.text for one in answer.root.iter("Say")] == ["We have technical difficulties."]


def test_one_stream_url_serves_many_calls(functions: Any, asapp: Any) -> None:
    for _ in range(3):
        functions.post("/engage")
    assert len(asapp.of("stream")) == 1


def test_a_stream_url_is_fetched_anew_before_it_expires(functions: Any, asapp: Any) -> None:
    functions.clock(now="2026-03-02T12:00:00Z")
    functions.post("/engage")
    functions.clock(now="2026-03-02T12:03:58Z")
    functions.post("/engage")
    assert len(asapp.of("stream")) == 1
    functions.clock(now="2026-03-02T12:04:01Z")
    functions.post("/engage")
    assert len(asapp.of("stream")) == 2


def test_a_stream_url_outlives_the_greeting(deploy: Any, asapp: Any) -> None:
    functions = deploy({"greeting": [{"pause": 50}, {"say": "x" * 120}]})
    for now, fetched in (("12:00:00", 1), ("12:03:40", 1), ("12:03:50", 2)):
        functions.clock(now=f"2026-03-02T{now}Z")
        functions.post("/engage")
        assert len(asapp.of("stream")) == fetched, f"at {now}: 285 s less a minute of greeting"


def test_a_clock_that_goes_back_does_not_keep_a_url_alive(functions: Any, asapp: Any) -> None:
    functions.post("/engage")
    functions.clock(now="2020-01-01T00:00:00Z")
    functions.post("/engage")
    assert len(asapp.of("stream")) == 2


def test_the_cache_is_keyed_by_what_asapp_was_asked(functions: Any, asapp: Any) -> None:
    functions.post("/engage")
    functions.set(ASAPP_API_ID="another-app")
    functions.post("/engage")
    assert [one.headers["asapp-api-id"] for one in asapp.of("stream")][1] == "another-app"


def test_a_cache_of_no_seconds_is_none(deploy: Any, asapp: Any) -> None:
    functions = deploy({"asapp": {"url_cache_seconds": 0}})
    functions.post("/engage")
    functions.post("/engage")
    assert len(asapp.of("stream")) == 2


def test_an_old_url_is_better_than_none(functions: Any, asapp: Any, bench: Any) -> None:
    functions.clock(now="2026-03-02T12:00:00Z")
    functions.post("/engage")
    asapp.stream = [bench.reply(403)]
    functions.clock(now="2026-03-02T12:04:30Z")
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]
    functions.clock(now="2026-03-02T12:04:46Z")
    assert functions.post("/engage").verbs == ["Say", "Dial"]


FAILURES: dict[str, tuple[dict[str, object], int]] = {
    "401": ({"status": 401}, 1),
    "403": ({"status": 403}, 1),
    "404": ({"status": 404}, 1),
    "a redirect": ({"status": 302}, 1),
    "429": ({"status": 429}, 2),
    "500": ({"status": 500}, 4),
    "503 that is no JSON": ({"status": 503, "body": b"<html>"}, 4),
    "a dropped connection": ({"drop": True}, 4),
    "an answer cut off": ({"body": {"streamingUrl": "wss://a/b"}, "cut": True}, 4),
    "empty": ({"body": b""}, 1),
    "not JSON": ({"body": b"<html>wss://a/b</html>"}, 1),
    "null": ({"body": None}, 1),
    "a list": ({"body": ["wss://a/b"]}, 1),
    "no URL": ({"body": {"url": "wss://a/b"}}, 1),
    "a URL that is none": ({"body": {"streamingUrl": 7}}, 1),
    "a plain ws:// URL": ({"body": {"streamingUrl": "ws://media.example.com/x"}}, 1),
    "an http URL": ({"body": {"streamingUrl": "https://media.example.com/x"}}, 1),
    "a URL with markup": ({"body": {"streamingUrl": 'wss://a/b"/><Dial>'}}, 1),
    "a URL without a host": ({"body": {"streamingUrl": "wss:///x"}}, 1),
    "a URL of dots": ({"body": {"streamingUrl": "wss://../x"}}, 1),
    "a URL with a user": ({"body": {"streamingUrl": "wss://a:b@media.example.com/x"}}, 1),
    "a URL with a port that is none": ({"body": {"streamingUrl": "wss://media.example.com:http/x"}}, 1),
    "a URL with a query": ({"body": {"streamingUrl": "wss://media.example.com/x?y=1"}}, 1),
    "a URL that begins like this machine": ({"body": {"streamingUrl": "ws://localhost.example.com/x"}}, 1),
    "a URL without end": ({"body": {"streamingUrl": "wss://a/" + "b" * 5000}}, 1),
    "too much": ({"body": b" " * (1 << 20) + b"{}x"}, 4),
}


@pytest.mark.parametrize(("reply", "tries"), FAILURES.values(), ids=FAILURES)
def test_without_a_stream_url_no_caller_is_lost(
    functions: Any, asapp: Any, bench: Any, reply: dict[str, object], tries: int
) -> None:
    asapp.stream = [bench.reply(**reply)]
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.find("Dial/Number").text == "+15550100001"
    assert len(asapp.of("stream")) == tries, answer.log
    assert answer.level("engage.failed") == "error"


def test_a_second_try_is_enough(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.stream = [bench.failing, bench.reply(drop=True), bench.reply(body={"streamingUrl": bench.stream_url})]
    answer = functions.post("/engage")
    assert answer.verbs == ["Connect", "Redirect"]
    assert next(one["requestId"] for one in answer.log if one["event"] == "asapp.stream_url") == "req-503"


def test_a_slow_asapp_is_awaited(functions: Any, asapp: Any, bench: Any) -> None:
    asapp.stream = [bench.reply(body={"streamingUrl": bench.stream_url}, delay=0.5)]
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]


def test_a_hanging_asapp_costs_the_budget_and_no_more(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 300, "budget_ms": 1000}})
    asapp.stream = [bench.reply(hang=True)]
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.event("engage.failed")["ms"] <= 1400
    assert 2 <= len(asapp.of("stream")) <= 3


def test_the_largest_budget_leaves_time_to_answer(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 9000, "budget_ms": 9000}})
    asapp.stream = [bench.reply(hang=True)]
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.event("engage.failed")["ms"] < 8000, "a function has 10 s, and hooks and web hooks want a second each"


def test_a_hanging_first_try_is_followed_by_a_second(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"asapp": {"timeout_ms": 300, "budget_ms": 1000}})
    asapp.stream = [bench.reply(hang=True), bench.reply(body={"streamingUrl": bench.stream_url})]
    assert functions.post("/engage").verbs == ["Connect", "Redirect"]


@pytest.mark.parametrize("missing", ["ASAPP_API_HOST", "ASAPP_API_ID", "ASAPP_API_SECRET"])
def test_a_missing_variable_is_told_and_survived(functions: Any, asapp: Any, missing: str) -> None:
    functions.set(**{missing: None})
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Dial"]
    assert answer.level("asapp.not_configured") == "error"
    assert asapp.seen == []


@pytest.mark.parametrize(
    "host", ["http://api.example.com", "ftp://127.0.0.1", "https://", "::", "http://127.0.0.1.evil.example"]
)
def test_secrets_are_not_sent_in_clear(functions: Any, asapp: Any, host: str) -> None:
    functions.set(ASAPP_API_HOST=host)
    assert functions.post("/engage").verbs == ["Say", "Dial"]
    assert asapp.seen == []


def test_only_this_machine_is_reached_without_encryption(functions: Any, asapp: Any, fault_server: Any) -> None:
    # 0.0.0.0 leads to this very server, but it is no loopback address: only the rule keeps the request from it.
    functions.set(ASAPP_API_HOST=fault_server.url.replace("127.0.0.1", "0.0.0.0"))
    assert functions.post("/engage").verbs == ["Say", "Dial"]
    assert asapp.seen == []


def test_a_secret_that_no_header_can_carry_is_survived_and_not_told(functions: Any, bench: Any) -> None:
    functions.set(ASAPP_API_SECRET="line\nbreak-" + bench.api_secret)
    answer = functions.post("/engage")
    assert answer.verbs == ["Say", "Dial"]


@pytest.mark.parametrize("value", ["false", "off", "OFF", "0", "no", " False ", "disabled", "Paused\n"])
def test_calls_can_be_kept_from_the_agent(functions: Any, asapp: Any, value: str) -> None:
    functions.set(GA_ENABLED=value)
    answer = functions.post("/engage")
    assert answer.verbs == ["Dial"]
    assert answer.find("Dial/Number").text == "+15550100009"
    assert asapp.seen == []


def test_a_share_of_calls_goes_to_the_agent_and_sticks(functions: Any) -> None:
    calls = [f"CA{number:032x}" for number in range(200)]

    def engaged(percent: str) -> set[str]:
        functions.set(GA_TRAFFIC_PERCENT=percent)
        return {sid for sid in calls if functions.post("/engage", CallSid=sid).verbs == ["Connect", "Redirect"]}

    few, many = engaged("20"), engaged("60")
    assert 20 <= len(few) <= 60
    assert 90 <= len(many) <= 150
    assert few <= many, "raising the share keeps the calls that went to the agent before"
    assert engaged("0") == set()
    assert len(engaged("100")) == 200
    assert few == engaged("20")


@pytest.mark.parametrize("percent", ["half", "", " ", "100%", "1e3"])
def test_a_share_that_is_no_number_is_everybody(functions: Any, percent: str) -> None:
    functions.set(GA_TRAFFIC_PERCENT=percent)
    answer = functions.post("/engage")
    assert answer.verbs == ["Connect", "Redirect"]
    told = [one["event"] for one in answer.log]
    assert ("traffic.no_number" in told) == (percent not in {"100%", "1e3"})


@pytest.mark.parametrize("percent", ["0%", " 0 ", "0.0", "-1", "0.0.0"])
def test_a_share_may_be_typed_by_hand(functions: Any, percent: str) -> None:
    functions.set(GA_TRAFFIC_PERCENT=percent)
    assert functions.post("/engage").verbs == ["Dial"]


def test_a_url_whose_stream_did_not_open_is_not_given_to_the_next_call(deploy: Any, asapp: Any, bench: Any) -> None:
    functions = deploy({"waiting": {"max_seconds": 0}})
    first = functions.post("/engage")
    asapp.transfer = [bench.missing]
    assert bench.query(functions.post(first.action).action)["outcome"] == "failed"
    functions.post("/engage")
    assert len(asapp.of("stream")) == 2


def test_a_document_larger_than_twilio_takes_is_not_sent(deploy: Any, bench: Any) -> None:
    variables = {f"v{at}": {"from": f"call.SipHeader_X-{at}"} for at in range(60)}
    functions = deploy({"input": {"variables": variables}})
    answer = functions.post("/engage", **{f"SipHeader_X-{at}": "&" * 480 for at in range(60)})
    assert answer.verbs == ["Say", "Dial"]
    assert answer.level("failed") == "error"


@pytest.mark.parametrize("path", ["/engage", "/call-complete", "/stream-status"])
@pytest.mark.parametrize("sid", [None, "", "CA", "x" * 100, "CA" + "5" * 32 + "\nforged"])
def test_a_request_that_is_no_call_never_reaches_asapp(functions: Any, asapp: Any, path: str, sid: str | None) -> None:
    answer = functions.post(path, judged=False, CallSid=sid)
    assert answer.status == 400
    assert answer.lines == []
    assert asapp.seen == []


def test_protected_functions_ask_for_a_signature_and_modules_have_no_url(functions: Any) -> None:
    for function in functions.bundle.functions:
        assert functions.unsigned(function.path) == (404 if function.visibility == "private" else 403)


def test_every_leg_has_a_transfer_id_of_its_own(functions: Any) -> None:
    functions.clock(now="2026-03-02T12:00:00.000Z")
    first = functions.post("/engage").parameters
    functions.clock(now="2026-03-02T12:00:05.000Z")
    second = functions.post("/engage").parameters
    assert first["asapp_callTransferId"] != second["asapp_callTransferId"]
    assert first["asapp_externalConversationId"] == second["asapp_externalConversationId"]


def test_logs_tell_names_and_never_values(functions: Any) -> None:
    answer = functions.post("/engage?campaign=verysecretcampaign", FromCity="SMALLTOWN")
    text = json.dumps(answer.log)
    assert "campaign" in text
    for value in ("verysecretcampaign", "SMALLTOWN", "+15551112222", "wss:"):
        assert value not in text
