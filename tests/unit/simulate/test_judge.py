"""The judge: what it makes of calls that are right and of calls that are not, check by check."""

from __future__ import annotations

import asyncio
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from ga_deploy.redact import Secret
from ga_deploy.simulate.interpreter.clock import FastClock
from ga_deploy.simulate.interpreter.interpreter import place_call
from ga_deploy.simulate.interpreter.plan import Reaction
from ga_deploy.simulate.interpreter.record import CallRecord, Event, Route, Span, StreamLeg
from ga_deploy.simulate.interpreter.transports import Transports
from ga_deploy.simulate.judge import handover, speech
from ga_deploy.simulate.judge.expected import Deployment, Destination, Lookup, ProfileBehaviour, Step
from ga_deploy.simulate.judge.judge import judge
from ga_deploy.simulate.judge.measures import find_dead_air
from ga_deploy.simulate.judge.verdict import Expectation
from ga_deploy.simulate.report.junit import write_junit
from ga_deploy.simulate.scenario.runner import expand, make_plan
from ga_deploy.simulate.scenario.scenario import Scenario
from tests.unit.simulate.scripted import DOMAIN, Site, Streams, plan, talk, transports

BEHAVIOUR = ProfileBehaviour(
    greeting=(Step("say", "Welcome."),),
    outcomes={
        "agent": (
            Step("say", "Please hold."),
            Step("send", by=Lookup("outcome.currentTaskName"), map={"Billing": "billing"}, default="support"),
            Step("send", to="night"),
        ),
        "completed": (Step("hangup"),),
        "exhausted": (Step("say", "Nobody is here."), Step("hangup")),
    },
    stream_parameters={
        "customerId": Lookup("call.From"),
        "taskName": "support",
        "campaign": Lookup("query.campaign", "none"),
    },
    waiting_seconds=8,
    waiting=(Step("say", "One moment."), Step("play", "https://cdn.example.com/hold.mp3")),
)
DEPLOYMENT = Deployment(
    engage_url=f"{DOMAIN}/engage",
    account_sid="AC" + "2" * 32,
    behaviours={"": BEHAVIOUR, "es": BEHAVIOUR},
    destinations={
        "support": Destination("support", "number", "+15550100001"),
        "billing": Destination("billing", "sip", "sip:billing@pbx.example.com"),
        "night": Destination("night", "number", "+15550100002", limited=True),
    },
)
TOLD = {
    "customerId": "+15550123456",
    "taskName": "support",
    "campaign": "none",
    "asapp_callTransferId": "T1",
    "asapp_externalConversationId": "CA" + "1" * 32,
}
FACTS = {"call.From": "+15550123456", "call.CallSid": "CA" + "1" * 32}


def stream(**changes: str | None) -> str:
    told = {name: value for name, value in (TOLD | changes).items() if value is not None}
    nouns = "".join(f'<Parameter name="{name}" value="{value}"/>' for name, value in told.items())
    return f'<Connect action="/done"><Stream url="wss://a.example.com/x">{nouns}</Stream></Connect>'


def dial(number: str) -> str:
    return f'<Dial action="/done?next=1"><Number>{number}</Number></Dial>'


def site(engage: str | None = None, first: str | None = None, then: str = "") -> Site:
    def done(fields: dict[str, str]) -> str:
        return then if "DialCallStatus" in fields else (first or f"<Say>Please hold.</Say>{dial('+15550100001')}")

    return Site(engage=engage or f"<Say>Welcome.</Say>{stream()}", done=done)


def verdict_of(where: Site, expected: Expectation, *legs: StreamLeg, reactions: tuple[str, ...] = (), **facts: str):
    results = reactions or ("answered",)
    call = plan(react=lambda _, attempt: Reaction(results[min(attempt, len(results) - 1)]))
    record = asyncio.run(place_call(call, transports(where, Streams(*legs)), FastClock()))
    return judge(record, expected, DEPLOYMENT, BEHAVIOUR, FACTS | facts)


def checks(*arguments, **options) -> set[str]:
    return {failing.check for failing in verdict_of(*arguments, **options).failings}


AGENT = Expectation(outcome="agent")


def test_a_call_that_follows_the_config_passes():
    verdict = verdict_of(site(), AGENT)
    assert verdict.passed, verdict.failings
    assert verdict.went == "number +15550100001 (answered)"
    assert verdict.heard == "“Welcome.”, the agent, “Please hold.”, ringing"


def test_the_destination_follows_from_the_conversation():
    facts = {"outcome.currentTaskName": "Billing"}
    sip = '<Say>Please hold.</Say><Dial action="/done"><Sip>sip:billing@pbx.example.com?X-A=1</Sip></Dial>'
    assert not checks(site(first=sip), AGENT, **facts)
    assert checks(site(), AGENT, **facts) == {"course"}


def test_a_voicemail_is_what_is_said_before_it_and_the_mailbox_of_its_action():
    boxes = {name: Destination(name, "voicemail", "", says=f"Leave it to {name}.") for name in ("box", "other")}
    behaviour = replace(BEHAVIOUR, outcomes={"agent": (Step("send", to="box"),)})
    deployment = replace(DEPLOYMENT, destinations=boxes, behaviours={"": behaviour})

    def judged(first: str, ends: str = "hang-up"):
        call = plan(record_ends=ends)
        record = asyncio.run(place_call(call, transports(site(first=first), Streams()), FastClock()))
        return judge(record, Expectation(outcome="agent", went=("box",), reaches=True), deployment, behaviour, FACTS)

    right = "<Say>Leave it to box.</Say><Record action='/done?to=box&amp;DialCallStatus=x'/>"
    assert judged(right).passed, judged(right).failings
    assert judged(right).went == "voicemail (answered) → caller hung up"
    wrong = right.replace("to=box", "to=other")
    assert {failing.check for failing in judged(wrong).failings} == {"course", "went"}
    unsaid = right.replace("Leave it to box.", "Speak.")
    assert {failing.check for failing in judged(unsaid).failings} == {"course"}
    assert not judged(right, "nothing").passed


def test_whoever_placed_the_call_the_customer_is_the_other_party():
    scenario = Scenario("x", "x", placed=True, from_number="+15550123456", to_number="+15550100000")
    call = make_plan(scenario, DEPLOYMENT, "CA" + "1" * 32)
    assert (call.from_number, call.to_number) == ("+15550100000", "+15550123456")
    assert (call.customer, call.ours) == ("+15550123456", "+15550100000")
    inbound = make_plan(replace(scenario, placed=False), DEPLOYMENT, "CA" + "1" * 32)
    assert (inbound.customer, inbound.ours) == ("+15550123456", "+15550100000")


def test_a_destination_with_hours_may_be_left_out():
    sorry = "<Say>Nobody is here.</Say><Hangup/>"
    assert not checks(site(then=sorry), AGENT, reactions=("busy",))


WAITING = "<Say>One moment.</Say><Play>https://cdn.example.com/hold.mp3</Play>"


def test_what_is_heard_while_a_result_is_awaited_is_no_step():
    steps = f"<Say>Please hold.</Say>{dial('+15550100001')}"
    assert not checks(site(first=WAITING + WAITING + steps), AGENT)
    assert not checks(site(first=f"<Say>One moment.</Say><Pause/>{steps}"), AGENT)
    assert not checks(site(first=WAITING * 8 + steps), AGENT)
    assert checks(site(first=WAITING * 9 + steps), AGENT) == {"repeats"}
    assert checks(site(first=f"<Say>Please hold.</Say>{WAITING}{dial('+15550100001')}"), AGENT) == {"course"}
    assert checks(site(first=f"<Say>One second.</Say>{steps}"), AGENT) == {"course"}


def test_a_promise_of_more_is_no_last_word():
    silent_stream = StreamLeg(opened=True, seconds=3.0, ended_by="error")
    assert "left_alone" in checks(site(first=f"{WAITING}<Hangup/>"), Expectation(), silent_stream)
    assert "left_alone" not in checks(site(first=f"{WAITING}<Say>Bye.</Say><Hangup/>"), Expectation(), silent_stream)


@pytest.mark.parametrize(
    ("where", "failed"),
    [
        (site(first=dial("+15550100001")), {"course"}),
        (site(first=f"<Say>Wait.</Say>{dial('+15550100001')}"), {"course"}),
        (site(first=f"<Say>Please hold.</Say>{dial('+15550100009')}"), {"course", "went"}),
        (site(first="<Say>Please hold.</Say><Hangup/>"), {"course"}),
        (site(first=f"<Say>Please hold.</Say>{dial('+15550100001')}", then="<Say>More.</Say>"), {"course"}),
        (site(engage=stream()), {"greeting"}),
        (site(engage=f"<Say>Welcome.</Say>{stream(taskName='other')}"), {"stream_parameters"}),
        (site(engage=f"<Say>Welcome.</Say>{stream(customerId=None)}"), {"stream_parameters"}),
        (site(engage=f"<Say>Welcome.</Say>{stream(password='x')}"), {"stream_parameters"}),
        (site(engage=f"<Say>Welcome.</Say>{stream(asapp_callTransferId=None)}"), {"stream_parameters"}),
        (site(engage=f"<Say>Welcome.</Say>{stream()}<Hangup/>"), {"unreachable"}),
        (site(engage=f"<Say>Welcome.</Say><Beep/>{stream()}"), {"twiml"}),
        (site(first=f"<Say>Please hold.</Say><Pause length='9'/>{dial('+15550100001')}"), {"course", "dead_air"}),
        (site(first="<Say>&lt;Response&gt;</Say>"), {"markup", "course"}),
        (site(first="<Say>Dear undefined,</Say>"), {"markup", "course"}),
        (site(first="<Redirect>/engage2</Redirect>"), {"error", "ending", "course"}),
    ],
)
def test_every_check_fails_for_its_own_reason(where, failed):
    assert checks(where, AGENT) == failed


@pytest.mark.parametrize(
    "text",
    [
        "&lt;b&gt;Hello&lt;/b&gt;",
        "&lt;!DOCTYPE html&gt;",
        "Tom &amp;amp; Jerry",
        "Dear {{name}},",
        "Dear ${name},",
        "Your balance is [object Object].",
        "Dear undefined,",
        "Dear null,",
        "You are number NaN.",
        '{"status":"error"}',
        '[{"id": 1}]',
        "TypeError: Cannot read properties",
        "Please see https://example.com/help",
        "&lt;% name %&gt;",
    ],
)
def test_what_a_program_left_behind_is_not_read_aloud(text):
    assert "markup" in checks(site(first=f"<Say>{text}</Say>"), Expectation())


@pytest.mark.parametrize(
    "text", ["OK.", "Less than 5 &lt; 6 minutes.", 'It\'s 10:30, "really".', "Nullify nothing.", "Terror: a film."]
)
def test_plain_speech_is_no_markup(text):
    assert "markup" not in checks(site(first=f"<Say>{text}</Say>"), Expectation())


def test_what_the_config_says_word_for_word_is_meant():
    behaviour = replace(BEHAVIOUR, outcomes={"completed": (Step("say", "Sie sind Nummer null  null."), Step("hangup"))})
    record = asyncio.run(
        place_call(plan(), transports(site(first="<Say>Sie sind Nummer null null.</Say>")), FastClock())
    )
    assert judge(record, Expectation(outcome="completed"), DEPLOYMENT, behaviour, FACTS).passed
    assert not judge(record, Expectation(), DEPLOYMENT, BEHAVIOUR, FACTS).passed


@pytest.mark.parametrize(
    ("verbs", "failed"),
    [
        ("<Say>Please hold.</Say>" * 2, set()),
        ("<Say>Please hold.</Say>" * 3, {"repeats"}),
        ('<Say loop="3">Please hold.</Say>', {"repeats"}),
        ('<Say loop="0">Please hold.</Say>', {"repeats"}),
        ("<Say/>", {"error", "left_alone"}),
    ],
)
def test_a_sentence_that_comes_again_and_again_is_a_loop(verbs, failed):
    leg = talk(agent=(), ended_by="error", error=31903, reason="cut")
    expected = Expectation(errors=frozenset({31903}))
    assert checks(site(first=verbs), expected, leg) == failed


def test_a_caller_left_without_a_word():
    assert "left_alone" in checks(site(engage="<Hangup/>"), Expectation())


def test_the_agents_goodbye_is_not_the_last_word_when_a_transfer_follows_and_fails():
    dead_end = site(first="<Dial>+15550100001</Dial>")
    assert "left_alone" in checks(dead_end, Expectation(), reactions=("busy",))
    assert not checks(dead_end, Expectation(), reactions=("answered",))
    assert not checks(site(first="<Dial>+15550100001</Dial><Say>Sorry.</Say>"), Expectation(), reactions=("busy",))


def test_a_silence_reaches_from_the_end_of_the_stream_over_the_webhook_to_the_next_sound():
    clock = FastClock()
    where = site()

    async def fetch(request):
        if request.url.endswith("/done"):
            await clock.spend(6.0)
        return await where.fetch(request)

    record = asyncio.run(place_call(plan(), Transports(fetch, Streams(talk(3.0)), None), clock))
    silence = find_dead_air(record)
    at, leg = record.streams[0]
    assert silence.start == pytest.approx(at + leg.seconds, abs=0.05)
    assert silence.seconds == pytest.approx(6.0, abs=0.1)
    assert "/done" in silence.before
    failings = judge(record, AGENT, DEPLOYMENT, BEHAVIOUR, FACTS).failings
    assert {failing.check for failing in failings} == {"dead_air"}


def test_an_agent_that_never_ends_is_no_good_conversation():
    forever = talk(120.0, ended_by="caller")
    assert checks(site(), Expectation(), forever) == {"ending"}
    assert not checks(site(), Expectation(may_stay=True), forever)
    patient = talk(20.0, ended_by="caller", agent=(Span(0.3, 8.0),))
    assert checks(site(), Expectation(), patient) == {"ending", "dead_air"}
    assert not checks(site(), Expectation(may_stay=True), patient)
    slow = talk(20.0, ended_by="caller", agent=(Span(9.0, 10.0),))
    assert "dead_air" in checks(site(), Expectation(may_stay=True, max_first_audio=20), slow)
    assert not checks(site(), Expectation(ending=frozenset({"caller-hung-up"})), forever)


def judge_twice() -> set[str]:
    answers = iter(["<Say>One.</Say>", "<Say>Two.</Say>"])
    where = Site(engage=lambda _: next(answers))
    record = asyncio.run(place_call(plan(repeat_webhooks=True), transports(where), FastClock()))
    return {one.check for one in judge(record, Expectation(), DEPLOYMENT, BEHAVIOUR, FACTS).failings}


def judge_behind_a_menu(engage: str) -> set[str]:
    """Judge a call of which our part begins behind somebody's own menu, which `engage` has to lead out of."""
    record = asyncio.run(place_call(plan(), transports(site(engage=engage)), FastClock()))
    based = replace(DEPLOYMENT, through_flow=True, enters_at="/flow/engage")
    return {one.check for one in judge(record, AGENT, based, BEHAVIOUR, FACTS).failings}


def judge_terms(first: str) -> set[str]:
    """Judge a call that is sent to somebody who has to be shown the called number, for an hour at most."""
    terms = {"timeLimit": "3600"}
    support = Destination("support", "number", "+15550100001", terms=terms, caller_id="called")
    deployment = replace(DEPLOYMENT, destinations={**DEPLOYMENT.destinations, "support": support})
    record = asyncio.run(place_call(plan(), transports(site(first=first)), FastClock()))
    facts = FACTS | {"call.customer": "+15550123456", "call.ours": "+15550100000"}
    return {one.check for one in judge(record, AGENT, deployment, BEHAVIOUR, facts).failings}


def test_a_transfer_under_other_terms_is_no_such_transfer():
    shown = '<Dial action="/done?next=1" callerId="{}" timeLimit="{}"><Number>+15550100001</Number></Dial>'
    hold = "<Say>Please hold.</Say>"
    assert judge_terms(hold + shown.format("+15550100000", 3600)) == set()
    assert judge_terms(hold + shown.format("+15550100009", 3600)) == {"handover"}
    assert judge_terms(hold + shown.format("+15550100000", 7200)) == {"handover"}


def test_a_task_has_the_attributes_of_its_queue_with_their_types():
    attributes = {"level": 3, "task": Lookup("outcome.task"), "who": {"phone": Lookup("call.From"), "tags": ["a"]}}
    flex = Destination("flex", "enqueue", "WW1", attributes=attributes)
    deployment = replace(DEPLOYMENT, destinations={"flex": flex})
    facts = FACTS | {"outcome.task": "Billing"}
    right = '{"level": 3, "task": "Billing", "who": {"phone": "+15550123456", "tags": ["a"]}}'

    def faults(task: str) -> list[str]:
        record = replace(silent_record(), routes=(Route("enqueue", "WW1", "answered", 0.0, {}, task),))
        return [what for _, what in handover.judge_handovers(record, deployment, facts)]

    assert faults(right) == []
    assert faults(right.replace("3,", '"3",')) == ["`flex`: attributes.level is '3', not 3"]
    assert faults(right.replace("Billing", "Cards")) == ["`flex`: attributes.task is 'Cards', not 'Billing'"]
    assert faults(right.replace("+1555", "+1666")) == [
        "`flex`: attributes.who.phone is '+16660123456', not '+15550123456'"
    ]
    assert faults("") == ["`flex`: attributes.level is missing, not 3"]
    assert faults("{") == ["`flex`: the task's attributes are no JSON: '{'"]


@pytest.mark.parametrize(
    ("rule", "facts", "shown"),
    [
        ("+15550100007", {}, "+15550100007"),
        ("called", {}, "+15550100000"),
        ("called", {"call.ours": ""}, "+15550100008"),
        ("called", {"call.ours": "sip:agent@example.com"}, "+15550100008"),
        ("caller", {}, "+15550123456"),
        ("caller", {"call.customer": "+266696687", "call.From": "+266696687"}, "+15550100000"),
        ("caller", {"call.customer": "client:anna", "call.From": "client:anna"}, "+15550100000"),
        ("caller", {"call.From": "+15550100000"}, "+15550100000"),
        ("called", {"outcome.name": "fallback"}, "+15550100008"),
    ],
)
def test_the_caller_id_that_has_to_be_shown(rule, facts, shown):
    known = {"call.From": "+15550123456", "call.customer": "+15550123456", "call.ours": "+15550100000"}
    deployment = replace(DEPLOYMENT, account_number="+15550100008")
    assert handover.find_caller_id(rule, deployment, known | facts) == shown


RECORDED = '<Start><Recording channels="dual"/></Start>'


def judge_recording(engage: str) -> set[str]:
    """Judge a call that has to be recorded, behind its greeting."""
    record = asyncio.run(place_call(plan(), transports(site(engage=engage)), FastClock()))
    behaviour = replace(BEHAVIOUR, recording={"channels": "dual", "recordingStatusCallback": ""})
    return {one.check for one in judge(record, AGENT, DEPLOYMENT, behaviour, FACTS).failings}


def test_a_recording_begins_once_and_behind_what_is_said_of_it():
    said = "<Say>Welcome.</Say>"
    assert judge_recording(f"{said}{RECORDED}{stream()}") == set()
    assert judge_recording(f"{RECORDED}{said}{stream()}") == {"recording"}
    assert judge_recording(f"{said}{RECORDED}{RECORDED}{stream()}") == {"recording"}
    assert judge_recording(f"{said}{RECORDED.replace('dual', 'mono')}{stream()}") == {"recording"}
    assert checks(site(engage=f"{said}{RECORDED}{stream()}"), AGENT) == {"recording"}


def test_a_text_message_is_sent_to_whoever_can_get_one():
    step = Step("sms", "Thank you.", by=Lookup("call.From"))
    behaviour = replace(BEHAVIOUR, outcomes={"completed": (step, Step("hangup"))})
    deployment = replace(DEPLOYMENT, account_number="+15550100000")
    record = asyncio.run(place_call(plan(), transports(site(first="<Hangup/>")), FastClock()))
    sent = '{"to": "%s", "from": "+15550100000", "body": "%s"}'
    for sender, texted, passed in (
        ("+15550123456", [sent % ("+15550123456", "Thank you.")], True),
        ("+15550123456", [], False),
        ("+15550123456", [sent % ("+15550123456", "Thanks.")], False),
        ("+15550123456", [sent % ("+15550100009", "Thank you.")], False),
        ("+266696687", [], True),
        ("client:anna", [], True),
    ):
        facts = {**FACTS, "call.From": sender, "texted": f"[{','.join(texted)}]"}
        verdict = judge(record, Expectation(outcome="completed"), deployment, behaviour, facts)
        assert ("course" not in {one.check for one in verdict.failings}) is passed, (sender, texted)


# For each check of the judge a call that fails for it.
TRIALS = {
    "course": lambda: checks(site(first="<Say>Please hold.</Say><Hangup/>"), AGENT),
    "stream_parameters": lambda: checks(site(), Expectation(stream_parameters={"campaign": "spring"})),
    "greeting": lambda: checks(site(engage=stream()), AGENT),
    "went": lambda: checks(site(first=dial("+15550100009")), Expectation()),
    "ending": lambda: checks(site(engage="<Reject/>"), Expectation()),
    "streams": lambda: checks(site(), Expectation(streams=2)),
    "said": lambda: checks(site(), Expectation(said=("Goodbye",))),
    "dead_air": lambda: checks(site(), Expectation(max_dead_air=0.0)),
    "first_twiml": lambda: checks(site(), Expectation(max_first_twiml=0.0)),
    "first_audio": lambda: checks(site(), AGENT, talk(agent=())),
    "markup": lambda: checks(site(first="<Say>[object Object]</Say>"), Expectation()),
    "repeats": lambda: checks(site(first="<Say>Please hold.</Say>" * 3), Expectation()),
    "unreachable": lambda: checks(site(first="<Hangup/><Say>Goodbye.</Say>"), Expectation()),
    "twiml": lambda: checks(site(first="<Beep/>"), Expectation()),
    "error": lambda: checks(site(first="<Dial>911</Dial>"), Expectation()),
    "left_alone": lambda: checks(site(engage="<Hangup/>"), Expectation()),
    "keys": lambda: checks(site(), Expectation(pressed="12")),
    "heard": lambda: checks(site(), Expectation(hears_caller=0.5), talk(), **{"agent.heard_seconds": "0"}),
    "barge_in": lambda: checks(site(), Expectation(barge_in_within=0.5)),
    "audio": lambda: checks(site(), AGENT, talk(problems=("clipped",))),
    "branch": lambda: checks(site(), AGENT, **{"flow.branch": "system"}),
    "repeatable": judge_twice,
    "handover": lambda: judge_terms(f"<Say>Please hold.</Say>{dial('+15550100001')}"),
    "recording": lambda: judge_recording(f"<Say>Welcome.</Say>{stream()}"),
    "base": lambda: judge_behind_a_menu("<Say>Press 1.</Say><Hangup/>"),
}


def test_no_check_of_the_judge_is_blind():
    page = (Path(__file__).parents[3] / "docs" / "simulate.md").read_text()
    table = page.partition("## What is judged")[2].partition("\n## ")[0]
    documented = {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    source = "".join(
        (Path(judging.__file__ or "")).read_text() for judging in (sys.modules[judge.__module__], speech, handover)
    )
    raised = set(re.findall(r'(?:Failing\(|yield )"(\w+)"', source)) | {"dead_air", "first_twiml", "twiml", "error"}
    assert documented == raised == set(TRIALS)


@pytest.mark.parametrize("check", sorted(TRIALS))
def test_each_check_fails_for_a_call_made_for_it(check):
    assert check in TRIALS[check]()
    assert check not in checks(site(), AGENT)


def test_an_agent_that_is_never_heard():
    assert "first_audio" in checks(site(), AGENT, talk(agent=()))


def test_audio_problems_are_reported():
    assert "audio" in checks(site(), AGENT, talk(problems=("clipped",)))


def test_barge_in_has_to_silence_the_agent_in_time():
    expected = replace(AGENT, barge_in_within=0.5)
    assert checks(site(), expected, talk()) == {"barge_in"}
    assert checks(site(), expected, talk(barge_in_silence_after=0.9)) == {"barge_in"}
    assert not checks(site(), expected, talk(barge_in_silence_after=0.3))


@pytest.mark.parametrize(
    ("expected", "failed"),
    [
        (Expectation(ending=frozenset({"transferred"})), {"ending"}),
        (Expectation(said=("please HOLD",)), set()),
        (Expectation(said=("Goodbye",)), {"said"}),
        (Expectation(not_said=("hold",)), {"said"}),
        (Expectation(went=("support",)), set()),
        (Expectation(went=("billing",)), {"went"}),
        (Expectation(reaches=False), {"went"}),
        (Expectation(streams=2), {"streams"}),
        (Expectation(pressed="12"), {"keys"}),
        (Expectation(max_first_audio=0.1), {"first_audio"}),
        (Expectation(stream_parameters={"campaign": "spring"}), {"stream_parameters"}),
    ],
)
def test_what_a_scenario_asks_for_is_judged(expected, failed):
    assert checks(site(), expected) == failed


def test_web_hooks_have_to_be_told_once():
    behaviour = replace(BEHAVIOUR, outcomes={"completed": (Step("notify", "https://crm/x"), Step("hangup"))})
    record = asyncio.run(place_call(plan(), transports(site(first="<Hangup/>")), FastClock()))
    for notified, passed in (("https://crm/x", True), ("", False), ("https://crm/x\nhttps://crm/x", False)):
        facts = {**FACTS, "notified": notified}
        assert judge(record, Expectation(outcome="completed"), DEPLOYMENT, behaviour, facts).passed is passed


def test_hooks_of_the_users_own_may_tell_more_and_choose_other_steps():
    own = site(engage=f"<Say>Welcome.</Say>{stream(tier='gold')}", first="<Say>Something else.</Say><Hangup/>")
    record = asyncio.run(place_call(plan(), transports(own), FastClock()))
    hooked = replace(DEPLOYMENT, hooks_add_input=True, hooks_choose_steps=True)
    assert not judge(record, AGENT, hooked, BEHAVIOUR, FACTS).failings
    assert {one.check for one in judge(record, AGENT, DEPLOYMENT, BEHAVIOUR, FACTS).failings} == {
        "stream_parameters",
        "course",
    }


def silent_record(*events: Event, legs: tuple[tuple[float, StreamLeg], ...] = (), seconds: float = 10.0) -> CallRecord:
    return CallRecord("x", "CA1", "", "", "hung-up", seconds, 0.0, events, (), legs)


def test_dead_air_is_the_longest_time_in_which_nobody_is_heard():
    say = Event(0.0, "say", "hi", 2.0, heard=True)
    leg = talk(4.0, agent=(Span(1.0, 2.0),), caller=(Span(2.5, 4.0),))
    silence = find_dead_air(silent_record(say, legs=((2.0, leg),), seconds=9.0))
    assert (silence.start, silence.seconds) == (6.0, 3.0)


def test_ringing_before_the_answer_is_no_dead_air():
    record = replace(silent_record(seconds=8.0), answered_at=7.0)
    assert find_dead_air(record).seconds == pytest.approx(1.0)
    assert find_dead_air(replace(record, answered_at=None)).seconds == 0.0


def test_scenarios_become_calls_for_each_destination_and_profile():
    each = Scenario("d", "t", for_each="destination")
    names = [call.name for call in expand([each, Scenario("p", "t", for_each="profile")], DEPLOYMENT)]
    assert names == ["d[support]", "d[billing]", "d[night]", "p[es]"]
    wanted = [Scenario(name, "t", only_if=(name,)) for name in ("hours", "greeting", "reconnect", "profiles")]
    assert [call.name for call in expand(wanted, DEPLOYMENT)] == ["hours", "greeting", "reconnect", "profiles"]
    plainest = replace(DEPLOYMENT, destinations={}, behaviours={"": ProfileBehaviour(reconnects=0)})
    assert expand(wanted, plainest) == ()
    bare = replace(DEPLOYMENT, destinations={}, behaviours={"": BEHAVIOUR})
    assert expand([replace(each, only_if=("destinations",)), Scenario("p", "t", for_each="profile")], bare) == ()


def test_junit_is_valid_xml_whatever_was_said():
    Secret("never-in-a-report")
    good = verdict_of(site(), AGENT)
    bad = verdict_of(site(first="<Say>never-in-a-report &lt;x&gt; \u0085 ]]&gt;</Say>"), AGENT)
    text = write_junit([good, bad])
    root = ET.fromstring(text)
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    cases = root.findall("testsuite/testcase")
    assert [case.find("failure") is None for case in cases] == [True, False]
    assert "never-in-a-report" not in text
    assert all(case.get("name") and float(case.get("time") or "") > 0 for case in cases)
