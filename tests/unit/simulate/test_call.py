"""A call through a scripted deployment: every verb, every way it can be cut short, and Twilio's rules for webhooks."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from ga_deploy.redact import Secret
from ga_deploy.simulate.interpreter.clock import FastClock
from ga_deploy.simulate.interpreter.interpreter import place_call
from ga_deploy.simulate.interpreter.plan import HangUp, Page, Reaction
from ga_deploy.simulate.interpreter.record import StreamLeg
from ga_deploy.simulate.interpreter.transports import Transports, WebReply, WebRequest
from ga_deploy.simulate.judge.measures import find_dead_air, measure
from ga_deploy.simulate.judge.verdict import Verdict
from ga_deploy.simulate.report.html import write_report
from ga_deploy.simulate.scenario.schema import ENDINGS, PHASES
from ga_deploy.twilio_rules.elements import NOUNS, VERBS
from tests.unit.simulate.scripted import DOMAIN, STATUS, STREAM, Site, Streams, plan, talk, transports, xml


def ring(site, streams=None, token=None, **changes):
    return asyncio.run(place_call(plan(**changes), transports(site, streams, token), FastClock()))


def results(*names):
    reactions = [Reaction(name) for name in names]
    return lambda _, attempt: reactions[min(attempt, len(reactions) - 1)]


def test_a_whole_call_from_stream_to_transfer():
    site = Site(
        engage=f"<Say>Hello.</Say>{STREAM}",
        done=lambda fields: (
            ""
            if "DialCallStatus" in fields
            else '<Say>Hold.</Say><Dial action="/done"><Number>+15550100001</Number></Dial>'
        ),
        status="",
    )
    record = ring(site)
    assert record.ending == "hung-up"
    assert record.said == ("Hello.", "Hold.")
    assert [(route.kind, route.address, route.result) for route in record.routes] == [
        ("number", "+15550100001", "answered")
    ]
    assert [path for path, _ in site.seen if path != "/status"] == ["/engage", "/done", "/done"]
    assert sorted(fields["StreamEvent"] for path, fields in site.seen if path == "/status") == [
        "stream-started",
        "stream-stopped",
    ]
    after = site.fields("/done")
    assert (after["DialCallStatus"], after["DialCallDuration"], after["CallStatus"]) == (
        "completed",
        "8",
        "in-progress",
    )


def test_events_lie_on_one_time_axis():
    record = ring(Site(engage=f"<Say>Hello there.</Say><Pause length='2'/>{STREAM}", done="<Hangup/>", status=""))
    starts = [event.at for event in record.events]
    assert starts == sorted(starts)
    assert record.of("pause")[0].seconds == pytest.approx(2, abs=0.05)
    assert record.seconds >= max(event.at for event in record.events if event.kind != "callback")


@pytest.mark.parametrize("result", ["busy", "no-answer", "failed", "canceled"])
def test_a_destination_that_does_not_answer_is_told_to_the_action(result):
    site = Site(
        engage='<Dial action="/after" timeout="20"><Number>+15550100001</Number></Dial>',
        after="<Say>Sorry.</Say>",
    )
    record = ring(site, react=results(result))
    assert site.fields("/after")["DialCallStatus"] == result
    assert record.said == ("Sorry.",)
    assert record.reached is None
    if result == "no-answer":
        assert record.of("dial")[0].seconds == pytest.approx(20, abs=0.1)


def test_without_action_the_next_verb_runs():
    site = Site(engage="<Dial>+15550100001</Dial><Say>Next.</Say>")
    assert ring(site, react=results("busy")).said == ("Next.",)
    assert [event.label for event in ring(site).of("warning")] == [
        "`Dial` without action: what follows it runs after the conversation"
    ]
    assert not ring(Site(engage="<Dial>+15550100001</Dial><Hangup/>")).of("warning")


@pytest.mark.parametrize(
    ("verbs", "code"),
    [
        ('<Dial action="/after"><Number>support</Number></Dial>', "13223"),
        ('<Dial action="/after">911</Dial>', "13223"),
        ('<Dial action="/after"><Number>+1 900 555 0100</Number></Dial>', "13225"),
        ('<Dial action="/after" callerId="nobody at all"><Number>+15550100001</Number></Dial>', "13214"),
        ('<Dial action="/after"><Sip>pbx.example.com</Sip></Dial>', "13224"),
        ('<Dial action="/after"/>', "13221"),
        ('<Enqueue action="/after" workflowSid="WW1"/>', "14220"),
        (f'<Enqueue action="/after" workflowSid="WW{"0" * 32}"><Task>{{broken</Task></Enqueue>', "14221"),
        ('<Refer action="/after"><Sip>sip:a@b.example.com</Sip></Refer>', "13801"),
    ],
)
def test_what_twilio_refuses_is_an_error_and_the_action_is_asked(verbs, code):
    record = ring(Site(engage=verbs, after="<Say>Sorry.</Say>"))
    assert any(event.label.startswith(code) for event in record.of("error"))
    assert record.said == ("Sorry.",)
    assert record.reached is None


def test_an_enqueued_caller_is_connected():
    task = '{"reason": "refund"}'
    site = Site(engage=f'<Enqueue action="/after" workflowSid="WW{"0" * 32}"><Task>{task}</Task></Enqueue>', after="")
    record = ring(site)
    assert record.routes[0].kind == "enqueue"
    assert record.of("enqueue")[0].detail["targets"][0]["task"] == task
    assert site.fields("/after")["QueueResult"] == "bridged"


def test_a_sip_caller_is_referred_and_leaves():
    site = Site(engage='<Refer action="/after"><Sip>sip:queue@carrier.example.com</Sip></Refer>', after="")
    record = ring(site, from_number="sip:me@example.com")
    assert (record.ending, record.routes[0].kind) == ("transferred", "refer")
    assert site.fields("/after")["ReferSipResponseCode"] == "202"


def test_a_redirect_elsewhere_hands_the_call_over_and_contacts_nobody():
    site = Site(engage="<Redirect>https://ivr.example.com/voice?a=1</Redirect>")
    record = ring(site)
    assert (record.ending, record.routes[0].address) == ("transferred", "https://ivr.example.com/voice?a=1")
    assert [request.url for request in site.requests] == [f"{DOMAIN}/engage"]


def test_a_redirect_loop_is_bounded():
    record = ring(Site(engage="<Redirect>/engage</Redirect>"), max_requests=10)
    assert record.ending == "endless"
    assert record.requests <= 11


@pytest.mark.parametrize(
    ("phase", "after", "ending_path", "status"),
    [
        ("ringing", 0, "/engage", "ringing"),
        ("greeting", 0.2, "/engage", "ringing"),
        ("stream", 1.0, "/done", "completed"),
        ("result", 0, "/done", "in-progress"),
        ("transfer", 1.0, "/after", "completed"),
    ],
)
def test_a_caller_can_hang_up_at_any_moment(phase, after, ending_path, status):
    site = Site(
        engage=f"<Say>A rather long greeting.</Say>{STREAM}",
        done='<Dial action="/after"><Number>+15550100001</Number></Dial>',
        after="<Say>never heard</Say>",
        status="",
    )
    record = ring(site, hang_up=HangUp(phase, after))
    assert record.ending == "caller-hung-up"
    last = [entry for entry in site.seen if entry[0] != "/status"][-1]
    assert (last[0], last[1]["CallStatus"]) == (ending_path, status)
    assert "never heard" not in record.said


def test_a_hang_up_cuts_what_was_under_way():
    record = ring(Site(engage="<Play>https://example.com/long.mp3</Play><Say>x</Say>"), hang_up=HangUp("greeting", 1.5))
    assert record.of("play")[0].seconds == pytest.approx(1.5, abs=0.05)
    assert record.said == ()


def test_plain_text_is_spoken_and_ends_the_call():
    record = ring(Site(engage=WebReply(200, {"content-type": "text/plain"}, b"<Response><Say>hi</Say></Response>")))
    assert record.ending == "hung-up"
    assert record.of("say")[0].detail["plain_text"] is True


def test_an_error_goes_to_the_fallback_with_its_code():
    fallback = "https://fallback.example.com/voice"
    page = Page(body="<Response><Say>Fallback.</Say></Response>")
    record = ring(Site(engage=xml("", 500)), fallback_url=fallback, pages={fallback: page})
    assert record.said == ("Fallback.",)
    sent = next(event for event in record.of("webhook") if "fallback" in event.label).detail["sent"]
    assert sent["ErrorCode"] == "11200"
    assert sent["ErrorUrl"] == f"{DOMAIN}/engage"


def test_without_a_fallback_twilio_apologises():
    record = ring(Site(engage=xml("", 500)))
    assert record.ending == "application-error"
    assert any("spoken" in event.detail for event in record.of("error"))


def test_a_fallback_elsewhere_is_a_route_and_is_not_contacted():
    site = Site(engage=xml("", 500))
    record = ring(site, fallback_url="https://old.example.com/ivr")
    assert (record.ending, record.routes[0].address) == ("transferred", "https://old.example.com/ivr")
    assert len(site.requests) == 1


def test_an_error_in_the_middle_of_a_call_has_the_fallback_too():
    fallback = "https://fallback.example.com/voice"
    site = Site(engage=STREAM, done=xml("<Dial>", 200), status="")
    record = ring(site, fallback_url=fallback, pages={fallback: Page(body="<Response><Say>Fallback.</Say></Response>")})
    assert record.said == ("Fallback.",)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://a.example.com/x", "not wss://"),
        ("wss://a.example.com/x?token=1", "query string"),
        ("ws://a.example.com/x", "not wss://"),
    ],
)
def test_a_stream_that_twilio_would_not_open(url, reason):
    streams = Streams()
    site = Site(
        engage=f'<Connect action="/done"><Stream url="{url}" statusCallback="{STATUS}"/></Connect>',
        done="<Say>Sorry.</Say>",
        status="",
    )
    record = ring(site, streams)
    assert not streams.orders
    assert reason in record.streams[0][1].reason
    assert site.fields("/status")["StreamError"].startswith("31920")
    assert record.said == ("Sorry.",)


def test_a_stream_is_given_its_parameters_and_may_break():
    streams = Streams(talk(2.0, ended_by="error", error=31903, reason="cut off"))
    parameter = '<Parameter name="taskName" value="x"/>'
    site = Site(
        engage=f'<Connect action="/done"><Stream url="wss://a/b">{parameter}</Stream></Connect>',
        done="<Hangup/>",
    )
    record = ring(site, streams)
    assert streams.orders[0].parameters == {"taskName": "x"}
    assert record.of("stream")[0].detail["stream_parameters"] == {"taskName": "x"}
    assert any(event.label.startswith("31903") for event in record.of("error"))


def test_repeated_webhooks_that_differ_are_noticed():
    answers = iter(["<Say>one</Say>", "<Say>two</Say>"])
    record = ring(Site(engage=lambda _: next(answers)), repeat_webhooks=True)
    assert [event.detail.get("same_as_first") for event in record.of("webhook")] == [None, False]
    assert record.said == ("two",)


def test_requests_are_signed_as_twilios_own_validator_expects():
    token = Secret("a" * 32)
    site = Site(engage="<Redirect method='GET'>/next?x=1</Redirect>", next="")
    ring(site, token=token)
    validator = RequestValidator("a" * 32)
    for request in site.requests:
        assert validator.validate(request.url, dict(request.form), request.headers["x-twilio-signature"])
    assert site.requests[1].method == "GET"
    assert not site.requests[1].form
    assert "CallSid=" in site.requests[1].url


def test_http_redirects_are_followed_and_bounded():
    hop = WebReply(302, {"location": "/next"}, b"")
    assert ring(Site(engage=hop, next="<Say>there</Say>")).said == ("there",)
    record = ring(Site(engage=WebReply(307, {"location": "/engage"}, b"")))
    assert any(event.label.startswith("11215") for event in record.of("error"))


def test_cookies_are_kept_for_the_call():
    first = WebReply(
        200,
        {"content-type": "text/xml"},
        b"<Response><Redirect>/next</Redirect></Response>",
        cookies=("a=1; Path=/",),
    )
    site = Site(engage=first, next="")
    ring(site)
    assert site.requests[1].headers["cookie"] == "a=1"


@pytest.mark.parametrize(
    ("fragment", "tries"), [("", 1), ("#rc=2&rp=5xx", 3), ("#rc=2&rp=4xx", 1), ("#rc=9&rp=all", 2)]
)
def test_connection_overrides_decide_about_retries(fragment, tries):
    site = Site(engage=xml("", 503))
    ring(site, voice_url=f"{DOMAIN}/engage{fragment}")
    assert len(site.requests) == tries
    assert all("#" not in request.url for request in site.requests)


def test_a_webhook_that_takes_too_long_is_given_up():
    async def hang(request: WebRequest) -> WebReply:
        await asyncio.sleep(30)
        raise AssertionError

    record = asyncio.run(
        place_call(plan(voice_url=f"{DOMAIN}/engage#rt=100"), Transports(hang, Streams()), FastClock())
    )
    assert any("no answer within 0.1 s" in event.label for event in record.of("error"))


def test_gather_and_record_ask_their_action():
    site = Site(
        engage="<Gather action='/keys'><Say>Press one.</Say></Gather>",
        keys="<Record action='/voice'/>",
        voice="",
    )
    record = ring(site, digits="1", record_ends="key")
    assert record.said == ("Press one.",)
    assert site.fields("/keys")["Digits"] == "1"
    assert site.fields("/voice")["RecordingDuration"] == "5"
    assert record.ending == "hung-up"


@pytest.mark.parametrize("leaves", [None, HangUp("transfer", 2.0)])
def test_a_message_ends_with_a_hang_up_and_its_action_is_asked_of_a_call_that_is_over(leaves):
    site = Site(engage="<Say>Leave a message.</Say><Record action='/voice?to=mailbox' maxLength='3'/>", voice="")
    record = ring(site, hang_up=leaves)
    told = site.fields("/voice")
    assert told["CallStatus"] == "completed"
    assert told["Digits"] == "hangup"
    assert told["RecordingUrl"].endswith(told["RecordingSid"])
    assert told["RecordingDuration"] == ("3" if leaves is None else "2")
    assert record.ending == "caller-hung-up"
    assert [(route.kind, route.address, route.result) for route in record.routes] == [
        ("voicemail", "to=mailbox", "answered")
    ]


def test_without_a_message_the_next_verb_follows_and_no_action():
    site = Site(engage="<Record action='/voice' timeout='4'/><Say>Goodbye.</Say>", voice="<Say>No.</Say>")
    record = ring(site, record_ends="nothing")
    assert record.said == ("Goodbye.",)
    assert [path for path, _ in site.seen] == ["/engage"]


DIAL = '<Dial action="/after" {}><Number>+15550100001</Number></Dial>'


def test_a_call_rings_on_until_somebody_answers_who_is_bridged():
    site = Site(engage=DIAL.format('answerOnBridge="true"'), after="<Say>Bye.</Say>")
    answered = ring(site, react=lambda *_: Reaction(ringing=6.0))
    assert answered.answered_at is not None
    assert answered.answered_at >= 6
    busy = ring(site, react=lambda *_: Reaction("busy"))
    assert [event.kind for event in busy.events if event.kind in {"answered", "dial", "say"}] == [
        "dial", "answered", "say",
    ]  # fmt: skip


def test_a_conversation_is_cut_off_at_its_time_limit_and_recorded_if_asked():
    site = Site(engage=DIAL.format('timeLimit="60" record="record-from-answer-dual"'), after="")
    ring(site, react=lambda *_: Reaction(talk=300.0))
    assert site.fields("/after")["DialCallDuration"] == "60"
    assert site.fields("/after")["RecordingDuration"] == "60"
    ring(plain := Site(engage=DIAL.format('record="do-not-record"'), after=""))
    assert "RecordingUrl" not in plain.fields("/after")


def test_what_a_queue_plays_is_asked_for_where_it_is_ours():
    queue = '<Enqueue action="/after" waitUrl="{}" waitUrlMethod="GET">support_line</Enqueue>'
    site = Site(engage=queue.format("/music"), music="<Play>/a.mp3</Play><Dial>+15550100001</Dial>", after="")
    record = ring(site)
    assert any("`Dial` cannot be" in event.label for event in record.of("error"))
    assert [(route.kind, route.address) for route in record.routes] == [("enqueue", "support_line")]
    elsewhere = ring(Site(engage=queue.format("https://music.example.com/hold"), after=""))
    assert elsewhere.of("wait")
    assert not elsewhere.of("error", "warning")


@pytest.mark.parametrize("asks", [True, False])
def test_a_refused_stream_leads_to_the_same_document_by_its_action_or_what_stands_behind(asks):
    connect = '<Connect action="/done"><Stream url="wss://asapp.example.com/m"/></Connect><Redirect>/done</Redirect>'
    refused = StreamLeg(opened=False, seconds=0.1, ended_by="error", error=31920, reason="refused: 404")
    site = Site(engage=connect, done="<Say>Sorry.</Say>")
    record = ring(site, streams=Streams(refused), asks_after_refusal=asks)
    assert [path for path, _ in site.seen] == ["/engage", "/done"]
    assert record.said == ("Sorry.",)
    assert not [event for event in record.of("webhook") if event.detail.get("unreachable")]


def test_a_relative_status_callback_fails_the_call():
    stream = '<Connect action="/done"><Stream url="wss://asapp.example.com/m" statusCallback="/status"/></Connect>'
    site = Site(engage=stream, done="", status="")
    record = ring(site)
    assert any("statusCallback" in event.label and "absolute" in event.label for event in record.of("error"))
    assert not [path for path, _ in site.seen if path == "/status"], "Twilio asks no relative URL"


def test_a_caller_without_a_number_is_dialled_on_only_with_a_caller_id():
    refused = ring(Site(engage=DIAL.format(""), after=""), from_number="client:alice")
    assert any(event.label.startswith("13214") for event in refused.of("error"))
    shown = ring(Site(engage=DIAL.format('callerId="+15550100000"'), after=""), from_number="client:alice")
    assert shown.reached


def test_a_call_that_the_account_placed_is_answered_and_tells_so():
    site = Site(engage="<Sms>Hello</Sms><Hangup/>")
    record = ring(site, placed=True, from_number="+15550100000", to_number="+15550123456")
    told = site.fields("/engage")
    assert (told["Direction"], told["CallStatus"]) == ("outbound-api", "in-progress")
    assert record.of("sms")[0].detail == {"text": "Hello", "to": "+15550123456", "from": "+15550100000"}


def test_a_gather_without_input_falls_through():
    assert ring(Site(engage="<Gather action='/keys'/><Say>Nothing.</Say>")).said == ("Nothing.",)


def test_no_stream_url_is_in_the_record():
    record = ring(Site(engage=STREAM, done="<Hangup/>", status=""))
    assert "media/abc" not in str(record.as_json())


def test_a_refused_stream_leaves_the_call_going():
    refused = StreamLeg(opened=False, seconds=0.0, ended_by="error", error=31920, reason="answered 403")
    site = Site(engage=STREAM, done="<Dial>+15550100001</Dial>", status="")
    record = ring(site, Streams(refused))
    assert record.reached is not None
    assert [fields["StreamEvent"] for path, fields in site.seen if path == "/status"] == ["stream-error"]


def whispered(document, **changes):
    """A call to somebody who hears `document` first; the caller hears Sorry when it came to nothing."""
    dial = '<Dial action="/after" callerId="+15550100000"><Number url="/whisper?a=1">+15550100001</Number></Dial>'
    site = Site(engage=dial, whisper=document, after=lambda fields: "" if connected(fields) else "<Say>Sorry.</Say>")
    return site, ring(site, **changes)


def connected(fields):
    return fields["DialCallStatus"] == "completed"


ACCEPT = '<Gather action="/accepted" numDigits="1"><Say>Press 1 to accept.</Say></Gather><Hangup/>'


def test_whoever_is_called_hears_the_whisper_and_not_the_caller():
    site, record = whispered("<Say>A call about a refund.</Say>")
    assert record.reached
    assert record.said == ()
    assert [event.detail.get("text") for event in record.of("whisper")] == ["A call about a refund."]
    asked = site.fields("/whisper")
    assert (asked["Direction"], asked["ParentCallSid"], asked["CallStatus"], asked["a"]) == (
        "outbound-dial",
        "CA" + "1" * 32,
        "in-progress",
        "1",
    )
    assert (asked["From"], asked["To"]) == ("+15550100000", "+15550100001")
    assert asked["CallSid"] != "CA" + "1" * 32


@pytest.mark.parametrize(
    "document",
    [
        "<Say>No.</Say><Hangup/>",
        "<Reject/>",
        "<Dial>+15550100002</Dial>",
        "<Redirect>/whisper</Redirect>",
        xml("", 500),
        WebReply(200, {"content-type": "application/json"}, b"{}"),
        WebReply(200, {"content-type": "text/plain"}, b"Hello."),
    ],
)
def test_a_whisper_that_hangs_up_or_fails_does_not_connect(document):
    site, record = whispered(document, max_requests=30)
    assert record.reached is None
    assert [route.result for route in record.routes] == ["declined"]
    assert (site.fields("/after")["DialCallStatus"], site.fields("/after")["DialBridged"]) == ("no-answer", "false")
    assert record.said == ("Sorry.",)


@pytest.mark.parametrize(("keys", "reached"), [("1", True), ("", False)])
def test_a_called_party_is_asked_whether_to_take_the_call(keys, reached):
    dial = '<Dial><Client url="/whisper"><Identity>alice</Identity></Client></Dial><Say>Sorry.</Say>'
    site = Site(engage=dial, whisper=ACCEPT, accepted="<Say>Thank you.</Say>")
    record = ring(site, react=lambda *_: Reaction(keys=keys))
    assert bool(record.reached) is reached
    assert ("/accepted" in [path for path, _ in site.seen]) is reached


def test_the_caller_sits_in_silence_during_a_whisper_unless_it_rings_on():
    text = "<Say>" + "A very long announcement. " * 6 + "</Say>"
    engage = '<Dial{}><Sip url="/whisper">sip:a@b.example.com</Sip></Dial>'
    quiet = ring(Site(engage=engage.format(""), whisper=text))
    assert find_dead_air(quiet).seconds > 9
    rings_on = ring(Site(engage=engage.format(' answerOnBridge="true"'), whisper=text))
    assert find_dead_air(rings_on).seconds < 1


def test_a_whisper_elsewhere_is_not_asked_for():
    site = Site(engage='<Dial><Number url="https://crm.example.com/w">+15550100001</Number></Dial>')
    record = ring(site)
    assert record.reached
    assert len(site.requests) == 1
    assert "taken as heard" in record.of("whisper")[0].label


def test_a_caller_who_hangs_up_during_a_whisper_is_gone():
    _, record = whispered("<Pause length='30'/>", hang_up=HangUp("transfer", 10.0))
    assert record.ending == "caller-hung-up"
    assert [route.result for route in record.routes] == ["canceled"]


BESIDE = """
<Start><Stream name="fork" url="wss://listen.example.com/secret-token" track="both_tracks"/><Recording/></Start>
<Start><Transcription name="t" statusCallbackUrl="/s" languageCode="en-US"/><Siprec connectorName="c"/></Start>
<Say>Hello.</Say><Stop><Stream name="fork"/><Transcription/></Stop>
<Dial>+15550100001</Dial>
"""


def test_what_runs_beside_the_call_does_not_hold_it_up():
    streams = Streams()
    record = ring(Site(engage=BESIDE), streams)
    assert record.reached
    assert record.said == ("Hello.",)
    assert not streams.orders
    assert not record.of("warning", "error")
    assert [event.seconds for event in record.of("start")] == [0, 0, 0, 0]
    assert len(record.of("stop")) == 2
    assert "secret-token" not in " ".join(event.label for event in record.events)


@pytest.mark.parametrize(
    ("verbs", "kind", "said"),
    [
        ("<Start/>", "warning", "does nothing"),
        ('<Start><Stream url="https://a.example.com"/></Start>', "error", "not wss://"),
        ('<Start><Stream url="wss://a.example.com?x=1"/></Start>', "error", "query string"),
        ('<Start><Stream url="wss://a.example.com" track="left"/></Start>', "error", "`track` is `left`"),
        ("<Start><Stream/></Start>", "warning", "`url` must appear"),
        ('<Start><Recording tracks="x"/></Start>', "warning", "`tracks` is not allowed"),
        ('<Stop><Stream name="x"/></Stop>', "warning", "was never started"),
        ('<Start><Siprec name="x"/></Start><Start><Siprec name="x"/></Start>', "error", "runs already"),
        ("<Leave/>", "warning", "`Leave` is not simulated"),
        ('<Pay action="/paid"><Prompt><Say>Your card.</Say></Prompt></Pay>', "warning", "`Pay` is not simulated"),
        ('<Prompt for="postal-code"><Say>x</Say></Prompt>', "warning", "`Prompt` is not simulated"),
    ],
)
def test_what_twilio_would_not_start_is_said(verbs, kind, said):
    record = ring(Site(engage=f"{verbs}<Say>Hello.</Say>"))
    assert any(said in event.label for event in record.of(kind)), record.events
    assert record.said == ("Hello.",)


NAMES = st.sampled_from(sorted({*VERBS, *NOUNS, "Speak", "response"}))
ATTRIBUTES = st.sampled_from(sorted({name for rule in (*VERBS.values(), *NOUNS.values()) for name in rule.attributes}))
VALUES = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "999999999",
        "/engage",
        "/other",
        "https://elsewhere.example.com/x",
        "x y",
        "true",
        "wss://a/b",
        "+15550100001",
        "sip:a@b.example.com",
        "WW" + "0" * 32,
    ]
)


def elements(children):
    return st.builds(make_element, NAMES, st.dictionaries(ATTRIBUTES, VALUES, max_size=3), VALUES, children)


def make_element(name, attributes, text, children):
    element = ET.Element(name, attributes)
    element.text = text
    element.extend(children)
    return element


DOCUMENTS = st.lists(
    st.recursive(elements(st.just([])), lambda inner: elements(st.lists(inner, max_size=3)), max_leaves=6), max_size=5
)


@given(
    DOCUMENTS,
    DOCUMENTS,
    st.sampled_from(["answered", "busy", "no-answer", "failed", "canceled"]),
    st.one_of(st.none(), st.builds(HangUp, st.sampled_from(PHASES), st.sampled_from([0.0, 0.5, 7.0]))),
)
@settings(max_examples=150, deadline=None)
def test_any_twiml_ends_in_a_record(engage, other, result, hang_up):
    pages = ["".join(ET.tostring(one, encoding="unicode") for one in page) for page in (engage, other)]
    record = ring(Site(engage=pages[0], other=pages[1]), react=results(result), hang_up=hang_up, max_requests=12)
    assert record.ending in ENDINGS
    assert record.requests <= 14
    assert [event.at for event in record.events] == sorted(event.at for event in record.events)
    assert all(event.seconds >= 0 for event in record.events)
    assert find_dead_air(record).seconds <= record.seconds + 0.001
    assert json.dumps(record.as_json())
    assert write_report([Verdict(record, (), measure(record))])
