"""The TwiML reader: content types, schema warnings, what can never run, and hostile XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect, Dial, Enqueue, Refer, VoiceResponse

from ga_deploy.simulate.interpreter.twiml import MAX_BYTES, parse_twiml, read_document, resolve, walk

SAFE = "<Connect action='/a'><Stream url='wss://a/b'/></Connect><Redirect>{}</Redirect>"


def parse(body: str):
    return parse_twiml(f"<Response>{body}</Response>".encode())


@pytest.mark.parametrize(
    ("status", "content_type", "body", "kind", "code"),
    [
        (200, "text/xml", b"<Response/>", "twiml", None),
        (200, "application/xml; charset=utf-8", b"<Response/>", "twiml", None),
        (200, "TEXT/HTML", b"<Response/>", "twiml", None),
        (200, "text/plain", b"<Response/>", "speech", None),
        (200, "audio/mpeg", b"ID3", "audio", None),
        (200, "text/plain", b"", "twiml", None),
        (200, "application/json", b"{}", "error", 12300),
        (200, "", b"<Response/>", "error", 11200),
        (500, "text/xml", b"<Response/>", "error", 11200),
        (404, "text/plain", b"no", "error", 11200),
        (200, "text/xml", b"", "error", 12100),
        (200, "text/xml", b"<Response>", "error", 12100),
        (200, "text/xml", b"<response/>", "error", 12100),
        (200, "text/xml", b"\xff\xfe\x00", "error", 12100),
    ],
)
def test_content_type_and_status_decide_what_an_answer_is(status, content_type, body, kind, code):
    answer = read_document(status, content_type, body)
    assert answer.kind == kind
    assert (answer.error.code if answer.error else None) == code


def test_plain_text_is_what_the_caller_hears():
    assert read_document(200, "text/plain", b"<Response><Say>hi</Say></Response>").speech.startswith("<Response>")


@pytest.mark.parametrize(
    ("body", "fragment"),
    [
        ("<Speak>hi</Speak>", "element `Speak`"),
        ("<say>hi</say>", "`Say`"),
        ("<Say volume='3'>hi</Say>", "attribute `volume`"),
        ("<Dial><Say>hi</Say></Dial>", "element `Say` in `Dial`"),
        ("<Connect><Stream/></Connect>", "`url` must appear"),
        ("<Connect><Stream url='wss://a/b'><Parameter name='a'/></Stream></Connect>", "`value` must appear"),
        ("<Hangup>bye</Hangup>", "cannot have text"),
        ("loose text", "text between verbs"),
        ("<Stream url='wss://a/b'/>", "element `Stream` in `Response`"),
    ],
)
def test_what_twilio_does_not_know_is_left_out_with_a_warning(body, fragment):
    answer = parse(body)
    assert answer.kind == "twiml"
    assert [warning.code for warning in answer.warnings] == [12200]
    assert fragment in answer.warnings[0].text


def test_unknown_elements_are_not_carried_out_but_their_neighbours_are():
    answer = parse("<Speak>no</Speak><Say>yes</Say>")
    assert [verb.text for verb in answer.verbs] == ["yes"]


@pytest.mark.parametrize(
    ("body", "unreachable"),
    [
        ("<Redirect>/a</Redirect><Say>x</Say>", ["Say"]),
        ("<Hangup/><Say>x</Say><Hangup/>", ["Say", "Hangup"]),
        ("<Reject/><Say>x</Say>", ["Say"]),
        ("<Connect action='/a'><Stream url='wss://a/b'/></Connect><Say>x</Say>", ["Say"]),
        ("<Connect><Stream url='wss://a/b'/></Connect><Say>x</Say>", []),
        ("<Dial action='/a'>+15550100001</Dial><Hangup/>", ["Hangup"]),
        ("<Dial>+15550100001</Dial><Hangup/>", []),
        ("<Enqueue action='/a'>q</Enqueue><Say>x</Say>", ["Say"]),
        ("<Record/><Say>x</Say>", []),  # an empty recording goes on with the next verb
        (SAFE.format("/a"), []),
        (SAFE.format("/b"), ["Redirect"]),
        ("<Enqueue action='/a'>q</Enqueue><Redirect>/a</Redirect>", ["Redirect"]),
        ("<Gather action='/a'/><Say>x</Say>", []),
        ("<Say>x</Say><Pause/><Hangup/>", []),
    ],
)
def test_verbs_that_can_never_run_are_found(body, unreachable):
    assert [verb.name for verb in parse(body).unreachable] == unreachable


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE r [<!ENTITY a "b">]><Response>&a;</Response>',
        b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><Response/>',
        b"<Response>" + b"<Say>" * 40 + b"</Say>" * 40 + b"</Response>",
        b"<Response>" + b"<Pause/>" * 3000 + b"</Response>",
        b"<Response><Say>" + b"a" * MAX_BYTES + b"</Say></Response>",
        b"<Response>&unknown;</Response>",
    ],
)
def test_hostile_documents_are_refused(body):
    answer = parse_twiml(body)
    assert answer.kind == "error"
    assert answer.error is not None
    assert answer.error.code in {12100, 11750}


@given(st.binary(max_size=400))
def test_nothing_raises(body):
    for content_type in ("text/xml", "text/plain", "application/json", ""):
        read_document(200, content_type, body)


@given(
    st.lists(
        st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40)
        .map(str.strip)
        .filter(bool),
        max_size=8,
    )
)
def test_what_twilios_own_library_says_is_read_back(texts):
    response = VoiceResponse()
    for text in texts:
        response.say(text)
    answer = parse_twiml(str(response).encode())
    assert not answer.warnings
    assert [verb.text for verb in answer.verbs] == texts


def test_everything_the_functions_can_emit_is_known():
    response = VoiceResponse()
    response.say("hi", voice="Polly.Joanna-Neural", language="en-US")
    response.play("https://example.com/a.mp3", loop=2)
    response.pause(length=2)
    connect = Connect(action="/call-complete", method="POST")
    stream = connect.stream(url="wss://a/b", status_callback="/s", name="x", track="inbound_track")
    stream.parameter(name="customerId", value="1")
    response.append(connect)
    dial = Dial(caller_id="+15550100000", action="/a", timeout=20, answer_on_bridge=True)
    dial.number("+15550100001", status_callback="/s")
    dial.sip("sip:a@b.c?X-A=1", username="u", password="p")
    dial.client("joe")
    dial.conference("room", wait_url="/w")
    dial.queue("support")
    response.append(dial)
    enqueue = Enqueue(None, workflow_sid="WW" + "0" * 32, action="/a", wait_url="/w")
    enqueue.task('{"a": 1}', priority=1, timeout=30)
    response.append(enqueue)
    refer = Refer(action="/a")
    refer.sip("sip:a@b.c")
    response.append(refer)
    gather = response.gather(input="dtmf", action="/g", num_digits=1)
    gather.say("press one")
    response.record(max_length=5, action="/r")
    response.redirect("/x", method="POST")
    response.hangup()
    response.reject(reason="busy")
    answer = parse_twiml(str(response).encode())
    assert not answer.warnings
    assert {element.name for element in walk(answer.verbs)} >= {
        "Stream",
        "Parameter",
        "Task",
        "Sip",
        "Reject",
    }


def test_ssml_is_spoken_without_its_markup():
    verb = parse('<Say>Call <say-as interpret-as="telephone">555</say-as> <sub alias="now">nw</sub></Say>').verbs[0]
    assert " ".join(verb.text.split()) == "Call 555 now"


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("https://a.twil.io/engage?x=1", "/call-complete?y=2", "https://a.twil.io/call-complete?y=2"),
        ("https://a.twil.io/sales/engage", "call-complete", "https://a.twil.io/sales/call-complete"),
        ("https://a.twil.io/engage?x=1#rc=2", "", "https://a.twil.io/engage?x=1"),
        ("https://a.twil.io/engage", "https://b.example.com/v", "https://b.example.com/v"),
        ("https://a.twil.io/engage", "?y=2", "https://a.twil.io/engage?y=2"),
    ],
)
def test_relative_urls_resolve_against_the_document(base, reference, expected):
    assert resolve(base, reference) == expected
