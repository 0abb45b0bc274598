"""What a caller went through, judged: silence, what was said, where the call went, how long it all took.

Pure: a record and an expectation in, a verdict with reasons out. Every check has a name that reports,
JUnit files and tests use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.simulate.interpreter.record import CallRecord, Event, Span
from ga_deploy.simulate.judge.expected import Lookup
from ga_deploy.simulate.judge.handover import judge_handovers, judge_recording
from ga_deploy.simulate.judge.measures import find_dead_air, measure
from ga_deploy.simulate.judge.speech import judge_speech
from ga_deploy.simulate.judge.steps import Observation, compare, list_observations, same_spaces
from ga_deploy.simulate.judge.verdict import Expectation, Failing, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.simulate.judge.expected import Deployment, ProfileBehaviour

_CODE = re.compile(r"\d{5}")


def judge(
    record: CallRecord,
    expected: Expectation,
    deployment: Deployment,
    behaviour: ProfileBehaviour,
    facts: Mapping[str, str],
    *,
    all_closed: bool = False,
    title: str = "",
) -> Verdict:
    """Return the verdict on a call. `facts` as for `steps.compare`; `flow.branch` among them, if a flow was taken."""
    measures = measure(record)
    if expected.may_stay and record.ending == "caller-hung-up":
        # The caller had nothing left to say, waited and left: nobody was kept waiting by that.
        measures["dead_air"] = find_dead_air(record, to_the_end=False).seconds
    entry = _find_entry(record, deployment) if deployment.enters_at else None
    if entry:
        # A base has answered the call: what would be ringing without it is waited for in silence, and judged as that.
        measures["first_twiml"] = entry.seconds
        to_the_end = not (expected.may_stay and record.ending == "caller-hung-up")
        spared = Span(entry.at, entry.until)
        measures["dead_air"] = find_dead_air(record, to_the_end=to_the_end, spared=spared).seconds
    failings = [
        *_judge_answers(record, expected),
        *_judge_speech(record, expected, behaviour),
        *_judge_times(measures, expected, behaviour),
        *_judge_streams(record, expected, deployment, behaviour, facts),
        *_judge_way(record, expected, deployment, behaviour),
        *(Failing(check, what) for check, what in judge_handovers(record, deployment, facts)),
        *(Failing(check, what) for check, what in judge_recording(record, behaviour)),
        *_judge_branch(expected, facts),
        *_judge_course(record, expected, deployment, behaviour, facts, all_closed=all_closed),
    ]
    return Verdict(record, tuple(failings), measures, title)


def _judge_branch(expected: Expectation, facts: Mapping[str, str]) -> list[Failing]:
    """Compare the branch that a Studio flow took with the outcome that should follow."""
    branch = facts.get("flow.branch")
    if branch is None or expected.outcome is None or branch == expected.outcome:
        return []
    return [Failing("branch", f"the flow took the branch `{branch}`, not `{expected.outcome}`")]


def _codes(event: Event) -> set[int]:
    return {int(code) for code in _CODE.findall(event.label[:6])}


def _judge_answers(record: CallRecord, expected: Expectation) -> list[Failing]:
    failings: list[Failing] = []
    seen: set[str] = set()
    for event in record.of("error", "warning"):
        codes = _codes(event)
        if codes & expected.errors or event.label in seen or "spoken" in event.detail:
            continue
        seen.add(event.label)
        failings.append(Failing("twiml" if event.kind == "warning" else "error", event.label))
    for event in record.of("webhook"):
        unreachable = event.detail.get("unreachable")
        if unreachable:
            failings.append(Failing("unreachable", f"{', '.join(unreachable)} can never run: {event.label}"))
        if event.detail.get("same_as_first") is False:
            failings.append(Failing("repeatable", f"the same webhook twice gave two different answers: {event.label}"))
    return failings


def _judge_speech(record: CallRecord, expected: Expectation, behaviour: ProfileBehaviour) -> list[Failing]:
    failings = [Failing(check, what) for check, what in judge_speech(record, behaviour)]
    everything = " ".join(record.said)
    missing = [text for text in expected.said if not _contains(everything, text)]
    unwanted = [text for text in expected.not_said if _contains(everything, text)]
    failings += [Failing("said", f"nobody said {text!r}") for text in missing]
    failings += [Failing("said", f"{text!r} was said") for text in unwanted]
    return failings


def _contains(everything: str, text: str) -> bool:
    return " ".join(text.split()).lower() in " ".join(everything.split()).lower()


def _judge_times(measures: Mapping[str, float], expected: Expectation, behaviour: ProfileBehaviour) -> list[Failing]:
    waiting = behaviour.waiting_seconds if expected.waits and not behaviour.waiting else 0.0
    limits = {
        "dead_air": (expected.max_dead_air + waiting, "the caller heard nothing for {:.1f} s, {:.1f} s are allowed"),
        "first_twiml": (
            expected.max_first_twiml,
            "the call rang {:.1f} s before it was answered, not {:.1f} s",
        ),
        "first_audio": (expected.max_first_audio, "the agent was first heard after {:.1f} s, not {:.1f} s"),
    }
    return [
        Failing(check, text.format(measures[check], limit))
        for check, (limit, text) in limits.items()
        if measures.get(check, 0.0) > limit
    ]


def _judge_streams(
    record: CallRecord,
    expected: Expectation,
    deployment: Deployment,
    behaviour: ProfileBehaviour,
    facts: Mapping[str, str],
) -> list[Failing]:
    failings = []
    if expected.streams is not None and len(record.streams) != expected.streams:
        failings.append(Failing("streams", f"{len(record.streams)} media streams instead of {expected.streams}"))
    if expected.agent_heard and not any(leg.agent for _, leg in record.streams):
        failings.append(Failing("first_audio", "the agent was never heard"))
    for (_, leg), event in zip(record.streams, record.of("stream"), strict=True):
        failings += [Failing("audio", problem) for problem in leg.problems]
        if leg.opened and leg.ended_by == "agent" and not leg.agent:
            failings.append(Failing("first_audio", "the agent was on the line and never heard"))
        sent: Mapping[str, str] = event.detail.get("stream_parameters", {})
        failings += [
            Failing("stream_parameters", text)
            for text in _compare_parameters(sent, expected, deployment, behaviour, facts)
        ]
    ids = [event.detail.get("stream_parameters", {}).get("asapp_callTransferId") for event in record.of("stream")]
    if len(set(ids)) != len(ids):
        failings.append(Failing("stream_parameters", "two streams of the call have the same asapp_callTransferId"))
    if expected.hears_caller is not None and "agent.heard_seconds" in facts:
        spoken = sum(span.end - span.start for _, leg in record.streams for span in leg.caller)
        got = float(facts["agent.heard_seconds"])
        if got < expected.hears_caller * spoken or not spoken:
            failings.append(Failing("heard", f"of {spoken:.1f} s that the caller spoke the agent heard {got:.1f} s"))
    pressed = facts.get("agent.digits", "")
    if expected.pressed and pressed != expected.pressed:
        failings.append(Failing("keys", f"the agent got the keys {pressed!r}, not {expected.pressed!r}"))
    if expected.barge_in_within is not None:
        heard = [leg.barge_in_silence_after for _, leg in record.streams if leg.barge_in_silence_after is not None]
        if not heard:
            failings.append(Failing("barge_in", "the agent went on talking over the caller"))
        elif max(heard) > expected.barge_in_within:
            failings.append(Failing("barge_in", f"the agent fell silent {max(heard):.2f} s after the caller spoke"))
    return failings


def _compare_parameters(
    sent: Mapping[str, str],
    expected: Expectation,
    deployment: Deployment,
    behaviour: ProfileBehaviour,
    facts: Mapping[str, str],
) -> list[str]:
    wanted: dict[str, str] = dict(expected.stream_parameters)
    for name, value in behaviour.stream_parameters.items():
        resolved = value.resolve(facts) if isinstance(value, Lookup) else value
        if resolved is not None:
            wanted.setdefault(name, resolved)
    wanted["asapp_externalConversationId"] = facts.get("call.CallSid", "")
    problems = [
        f"the agent got {name}={sent.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if sent.get(name) != value
    ]
    allowed = {*wanted, *behaviour.stream_parameters, "asapp_callTransferId"}
    unlisted = [] if deployment.hooks_add_input else [name for name in sent if name not in allowed]
    problems += [f"the agent got `{name}`, which the config does not list" for name in unlisted]
    if not sent.get("asapp_callTransferId"):
        problems.append("the agent did not get asapp_callTransferId")
    return problems


def _judge_way(
    record: CallRecord, expected: Expectation, deployment: Deployment, behaviour: ProfileBehaviour
) -> list[Failing]:
    failings = []
    if expected.ending is not None and record.ending not in expected.ending:
        wanted = " or ".join(sorted(expected.ending))
        failings.append(Failing("ending", f"the call ended as `{record.ending}`, not as `{wanted}`"))
    elif expected.ending is None and record.ending in {"application-error", "endless", "rejected"}:
        failings.append(Failing("ending", f"the call ended as `{record.ending}`"))
    elif expected.ending is None and not expected.may_stay:
        failings += [Failing("ending", event.label) for event in record.of("gave-up")]
    names = [deployment.find(route.kind, route.address) for route in record.routes]
    for route, name in zip(record.routes, names, strict=True):
        if not name and route.address.partition("?")[0] != deployment.fallback_url.partition("?")[0]:
            failings.append(Failing("went", f"{route.kind} {route.address} is not a destination of the config"))
    if expected.went is not None and tuple(name or "?" for name in names) != expected.went:
        way = " → ".join(name or "?" for name in names) or "nowhere"
        failings.append(Failing("went", f"the call went {way}, not {' → '.join(expected.went) or 'nowhere'}"))
    if expected.reaches is not None and (record.reached is not None) != expected.reaches:
        failings.append(Failing("went", "nobody took the call" if expected.reaches else "somebody took the call"))
    # A machine misses no words.
    is_person = expected.outcome != "machine"
    if is_person and record.ending == "hung-up" and not record.reached and not _was_spoken_to(record, behaviour):
        failings.append(Failing("left_alone", "the caller was hung up on without a word"))
    return failings


def _was_spoken_to(record: CallRecord, behaviour: ProfileBehaviour) -> bool:
    """Tell whether somebody had the last word: the agent, or Twilio after the agent and every attempt to send on.

    What is heard while a result is awaited promises more; it is no last word.
    """
    at, leg = record.streams[-1] if record.streams else (0.0, None)
    since = at + leg.seconds if leg else 0.0
    tried = max((route.at for route in record.routes), default=-1.0)
    if leg and leg.ended_by == "agent" and leg.agent and tried < since:
        return True
    since = max(since, tried)
    waiting = {same_spaces(step.text) for step in behaviour.waiting}
    heard = [event for event in record.of("say", "play") if event.heard and event.at >= since]
    return any(same_spaces(str(event.detail.get("text", event.detail.get("url")))) not in waiting for event in heard)


def _judge_course(
    record: CallRecord,
    expected: Expectation,
    deployment: Deployment,
    behaviour: ProfileBehaviour,
    facts: Mapping[str, str],
    *,
    all_closed: bool,
) -> list[Failing]:
    failings = []
    entry = _find_entry(record, deployment)
    entered = entry.at if entry else 0.0
    if deployment.enters_at and entry is None:
        if expected.outcome is None:
            return []
        what = "`flow.base_keys`, or the scenario's `caller.menu_keys`, have to answer the menus of the flow's base"
        return [Failing("base", f"the call never came to {deployment.enters_at}: {what}")]
    if record.streams:
        before = list_observations(record, entered, until=record.streams[0][0])
        wanted = tuple(Observation(step.kind, "" if step.kind == "pause" else step.text) for step in behaviour.greeting)
        if record.answered_at is not None and before != wanted:
            came = ", ".join(map(str, before)) or "nothing"
            failings.append(Failing("greeting", f"before the agent came {came}, not what the config greets with"))
    if expected.outcome is not None and not deployment.hooks_choose_steps:
        since = max((at + leg.seconds for at, leg in record.streams), default=entered)
        happened = list_observations(record, since)
        problem = compare(expected.outcome, happened, deployment, behaviour, facts, all_closed=all_closed)
        if problem:
            failings.append(Failing("course", problem))
    return failings


def _find_entry(record: CallRecord, deployment: Deployment) -> Event | None:
    """Return the request with which our part begins of a call that comes through somebody's own flow, if it came."""
    asked = record.of("webhook")
    return next((one for one in asked if urlsplit(str(one.detail["url"])).path == deployment.enters_at), None)
