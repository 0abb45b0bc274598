"""How a caller was handed over, judged: under which terms somebody was rung, and whether the call was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ga_deploy.simulate.judge.expected import Lookup
from ga_deploy.twilio_rules.e164 import is_e164

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.simulate.interpreter.record import CallRecord, Route
    from ga_deploy.simulate.judge.expected import Deployment, Destination, ProfileBehaviour, Step

# ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, typed on a keypad (Twilio docs: the parameter From).
_WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"})
_ABSENT = object()


def judge_handovers(record: CallRecord, deployment: Deployment, facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield for every route what differs from its destination's terms: the check and the finding, in words."""
    for route in record.routes:
        destination = deployment.destinations.get(deployment.find(route.kind, route.address))
        if destination is None:
            continue
        for name, wanted in destination.terms.items():
            got = route.terms.get(name, "")
            if got != wanted:
                yield "handover", f"`{destination.name}`: {name} is {got or 'missing'!r}, not {wanted or 'none'!r}"
        if destination.caller_id:
            wanted = find_caller_id(destination.caller_id, deployment, facts)
            got = route.terms.get("callerId", "")
            if got != wanted:
                yield "handover", f"`{destination.name}`: callerId is {got or 'missing'!r}, not {wanted or 'none'!r}"
        if destination.attributes is not None:
            for fault in _compare_task(destination, route, facts):
                yield "handover", f"`{destination.name}`: {fault}"


def find_caller_id(rule: str, deployment: Deployment, facts: Mapping[str, str]) -> str:
    """Return the number that `rule` (called, caller, or a number) shows in this call; empty when none is known."""
    if rule.startswith("+"):
        return rule
    customer, ours = facts.get("call.customer", ""), facts.get("call.ours", "")
    inbound = facts.get("call.From", "") == customer
    if facts.get("outcome.name") == "fallback":
        return deployment.account_number  # a static document knows nothing of the call
    if rule == "caller" and inbound and is_number(customer):
        return customer
    return ours if is_e164(ours) else deployment.account_number


def is_number(text: str) -> bool:
    """Tell whether a telephone can be reached, or shown, by this: E.164, and not a number that was withheld."""
    return is_e164(text) and text not in _WITHHELD


def find_receiver(step: Step, deployment: Deployment, facts: Mapping[str, str]) -> str:
    """Return who is sent a text by a step; empty when nobody can be, or no number is known to send it from."""
    receiver = (step.by.resolve(facts) if step.by else step.to) or ""
    return receiver if is_number(receiver) and find_caller_id("called", deployment, facts) else ""


def _compare_task(destination: Destination, route: Route, facts: Mapping[str, str]) -> Iterator[str]:
    try:
        got = json.loads(route.task or "{}")
    except ValueError:
        yield f"the task's attributes are no JSON: {route.task[:60]!r}"
        return
    yield from _compare_attribute("attributes", destination.attributes, got, facts)


def _compare_attribute(way: str, wanted: object, got: object, facts: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs in a task attribute; a value that only the call itself can know is not looked at."""
    if isinstance(wanted, Lookup):
        value = wanted.resolve(facts)
        known = wanted.name in facts and isinstance(got, str | int | float)
        if known and value is not None and _plain(got) != _plain(value)[:500]:
            yield f"{way} is {got!r}, not {value!r}"
    elif isinstance(wanted, Mapping):
        inner = got if isinstance(got, Mapping) else {}
        for name, value in wanted.items():
            yield from _compare_attribute(f"{way}.{name}", value, inner.get(name, _ABSENT), facts)
    elif not (isinstance(wanted, Sequence) and not isinstance(wanted, str)) and (got is _ABSENT or got != wanted):
        yield f"{way} is {'missing' if got is _ABSENT else repr(got)}, not {wanted!r}"


def _plain(value: object) -> str:
    return " ".join(str(value).split())


def judge_recording(record: CallRecord, behaviour: ProfileBehaviour) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the recording of a call: the check and the finding, in words.

    It begins once, behind all that is said before the agent, and only in calls that go to the agent.
    """
    begun = [event for event in record.of("start") if event.detail.get("noun") == "Recording"]
    wanted = 1 if behaviour.recording is not None and record.streams else 0
    if len(begun) != wanted:
        yield "recording", f"the recording began {len(begun)} times instead of {wanted}"
        return
    for event in begun:
        stream = record.streams[0][0]
        later = [one.label for one in record.of("say", "play") if event.at <= one.at < stream]
        if event.at > stream or later:
            yield "recording", f"the recording began {'before ' + repr(later[0]) if later else 'behind the agent'}"
        for name, value in (behaviour.recording or {}).items():
            got = event.detail["attributes"].get(name, "")
            if got != value:
                yield "recording", f"the recording's {name} is {got or 'missing'!r}, not {value or 'none'!r}"
