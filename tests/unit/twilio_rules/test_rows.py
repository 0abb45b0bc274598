"""The rule book: every row has its source and tells what it means, every attribute that we emit has a row, and Twilio's
own package for Python knows the attributes that the rules are about."""

from __future__ import annotations

import inspect
import re

import pytest
from twilio.twiml import voice_response

from ga_deploy.simulate.interpreter.twiml import parse_twiml
from ga_deploy.twilio_rules import speech
from ga_deploy.twilio_rules.check import find_breaks, find_value_fault, list_rows
from ga_deploy.twilio_rules.elements import NOUNS, VERBS
from ga_deploy.twilio_rules.faults import find_caller_id_fault
from ga_deploy.twilio_rules.rows import Row, Sure
from ga_deploy.twilio_rules.verbs import ROWS

# What the generated functions write (tests/functions holds their answers to it), by element.
EMITTED = {
    "Connect": "action method",
    "Connect/Stream": "url statusCallback statusCallbackMethod track",
    "Dial": "action method timeout timeLimit callerId answerOnBridge record",
    "Dial/Sip": "username password statusCallback",
    "Dial/Number": "statusCallback",
    "Enqueue": "action method workflowSid waitUrl waitUrlMethod",
    "Enqueue/Task": "priority timeout",
    "Start/Recording": "channels track trim recordingStatusCallback recordingStatusCallbackMethod "
    "recordingStatusCallbackEvent",
    "Record": "action method maxLength timeout playBeep finishOnKey trim recordingStatusCallback",
    "Redirect": "method",
    "Refer": "action method",
    "Sms": "to from",
    "Say": "loop",
    "Play": "loop digits",
    "Pause": "length",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.element}-{row.attribute}-{row.code}")
def test_a_row_tells_its_rule_its_source_and_what_breaks(row: Row) -> None:
    assert row.rule != "any text", "a row without a rule"
    assert row.source
    assert row.broken
    assert bool(row.check and row.matters) == (row.sure is Sure.ASSUMED)
    if row.sure is Sure.DOCUMENTED:
        assert not row.source.startswith("none")
    name = row.element.split("/")[-1]
    form = NOUNS.get(name) or VERBS[name]
    assert not row.attribute or row.attribute in form.attributes
    for parent, child in zip(row.element.split("/"), row.element.split("/")[1:], strict=False):
        assert child in (VERBS.get(parent) or NOUNS[parent]).children


def test_no_rule_stands_twice() -> None:
    said = [(row.element, row.attribute, row.rule) for row in ROWS]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("element", "attribute"), [(element, name) for element, names in EMITTED.items() for name in names.split()]
)
def test_every_attribute_that_we_write_has_a_row(element: str, attribute: str) -> None:
    assert list_rows(element, attribute)


@pytest.mark.parametrize("element", sorted({row.element.split("/")[-1] for row in ROWS if row.attribute}))
def test_twilios_package_for_python_knows_the_attributes(element: str) -> None:
    known: set[str] = set()
    for holder in vars(voice_response).values():
        method = getattr(holder, element.lower(), None) if inspect.isclass(holder) else None
        if inspect.isfunction(method):
            names = inspect.signature(method).parameters
            known |= {re.sub(r"_(\w)", lambda found: found[1].upper(), name.rstrip("_")) for name in names}
    assert {row.attribute for row in ROWS if row.attribute and row.element.split("/")[-1] == element} <= known


STREAM = '<Connect action="/done"><Stream url="wss://a.example.com/m" {}/></Connect>'
DIAL = "<Dial {}><Number>+15550100001</Number></Dial>"
SIP = "<Dial><Sip>sip:a@b.example.com?{}</Sip></Dial>"
QUEUE = '<Enqueue workflowSid="WW' + "0" * 32 + '">{}</Enqueue>'


@pytest.mark.parametrize(
    ("verbs", "code"),
    [
        (STREAM.format('statusCallback="/stream-status"'), "absolute"),
        (STREAM.format('statusCallback="stream-status?x=1"'), "absolute"),
        (STREAM.format('track="both_tracks"'), "31920"),
        ('<Connect><Stream url="wss://a.example.com/m?x=1"/></Connect>', "31920"),
        ('<Connect><Stream url="https://a.example.com/m"/></Connect>', "31920"),
        (DIAL.format('timeout="0"'), "13212"),
        (DIAL.format('timeLimit="0"'), "13216"),
        (DIAL.format('timeLimit="90000"'), "13216"),
        (DIAL.format('record="dual"'), "13217"),
        (DIAL.format('answerOnBridge="yes"'), "`answerOnBridge`"),
        (DIAL.format('callerId="nobody at all"'), "13214"),
        ('<Dial><Number statusCallback="/x">+15550100001</Number></Dial>', "21609"),
        (SIP.format("Subject=x"), "13252"),
        (SIP.format("X-Twilio-A=x"), "32113"),
        (SIP.format("X-A=" + "x" * 1024), "13251"),
        (QUEUE.format("<Task>[1]</Task>"), "14221"),
        (QUEUE.format('<Task priority="high">{}</Task>'), "`priority`"),
        ("<Enqueue>" + "q" * 65 + "</Enqueue>", "14205"),
        ("<Enqueue>support<Task>{}</Task></Enqueue>", "without workflowSid"),
        ("<Start><Recording channels='stereo'/></Start>", "`channels`"),
        ("<Start><Recording recordingStatusCallbackEvent='done'/></Start>", "13621"),
        ("<Record maxLength='1'/>", "13612"),
        ("<Sms to='nobody'>Hello</Sms>", "`to`"),
        (f"<Say voice='Polly.Joanna-Neural'>{'a' * 3001}</Say>", "13521"),
        (f"<Say voice='Google.en-US-Neural2-A'>{'ü' * 800}</Say>", "13521"),
        (f"<Say>{'a' * 4097}</Say>", "13521"),
        ("<Refer/>", "13801"),
        ("<Redirect>ftp://a.example.com</Redirect>", "Redirect"),
    ],
)
def test_a_document_that_breaks_a_rule(verbs: str, code: str) -> None:
    found = list(find_breaks(parse_twiml(f"<Response>{verbs}</Response>".encode()).verbs))
    assert any(code in str(one) for one in found), found


@pytest.mark.parametrize(
    "verbs",
    [
        STREAM.format('statusCallback="https://a.twil.io/stream-status?transfer=x"'),
        STREAM.format('statusCallback="http://127.0.0.1:1/stream-status"'),
        DIAL.format(
            'action="/done" timeout="20" timeLimit="7200" record="record-from-answer-dual" answerOnBridge="true"'
        ),
        SIP.format("X-A=1&amp;User-to-User=a&amp;P-Called-Party-ID=b"),
        QUEUE.format('<Task priority="1" timeout="300">{"a": 1, "customers": {"phone": "+1"}}</Task>'),
        '<Enqueue action="/x" waitUrl="https://m.example.com/hold">support_line</Enqueue>',
        '<Start><Recording channels="dual" recordingStatusCallback="/x" recordingStatusCallbackEvent="in-progress '
        'completed"/></Start>',
        '<Record action="/x" maxLength="120" playBeep="true" timeout="5"/>',
        '<Sms to="+15550100001" from="+15550100000">Hello</Sms>',
        f"<Say voice='Polly.Joanna-Neural'>{'a' * 3000}</Say>",
        f"<Say voice='Google.en-US-Neural2-A'>{'a b' * 1400}</Say>",
        "<Redirect>/again?x=1</Redirect>",
    ],
)
def test_a_document_that_breaks_none(verbs: str) -> None:
    answer = parse_twiml(f"<Response>{verbs}</Response>".encode())
    assert not answer.warnings
    assert list(find_breaks(answer.verbs)) == []


@pytest.mark.parametrize(
    ("caller_id", "caller", "noun", "refused"),
    [
        ("", "+15550123456", "Number", False),
        ("+15550100000", "client:alice", "Number", False),
        ("", "client:alice", "Number", True),
        ("", "sip:alice@pbx.example.com", "Number", True),
        ("sip:alice@pbx.example.com", "+15550123456", "Number", True),
        ("", "", "Number", True),
        ("", "client:alice", "Sip", False),
    ],
)
def test_a_number_is_called_only_with_a_number(caller_id: str, caller: str, noun: str, refused: bool) -> None:
    assert bool(find_caller_id_fault(caller_id, caller, noun)) == refused


def test_a_value_can_be_asked_about_before_there_is_a_document() -> None:
    assert find_value_fault("Dial", "timeLimit", "7200") == ""
    assert "whole number" in find_value_fault("Dial", "timeLimit", "two hours")
    assert find_value_fault("Start/Recording", "channels", "stereo")


def test_a_text_takes_as_long_as_it_is_and_half_a_second_at_least() -> None:
    assert speech.estimate_seconds("") == 0
    assert speech.estimate_seconds("Hi") == 0.5
    assert speech.estimate_seconds("a" * 150) == 10
    assert [speech.find_say_limit(voice) for voice in ("", "alice", "Polly.Amy", "Google.x")] == [
        4096,
        4096,
        3000,
        5000,
    ]
