"""The targets of a Dial, Enqueue or Refer, and what Twilio refuses about them.

The rules are in `twilio_rules`. This module returns the targets that remain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ga_deploy.simulate.interpreter.plan import CallTarget
from ga_deploy.simulate.interpreter.twiml import Element, Remark
from ga_deploy.twilio_rules.check import find_breaks
from ga_deploy.twilio_rules.faults import find_caller_id_fault, is_sip_header, strip_number

if TYPE_CHECKING:
    from ga_deploy.twilio_rules.rows import Break

TIME_LIMIT = 14400  # Twilio docs, Dial: four hours unless `timeLimit` says otherwise
_WHISPERED = frozenset({"number", "sip", "client"})
# What a Dial does without the attribute (Twilio docs, Dial).
_USUAL_TERMS = {"timeout": "30", "timeLimit": str(TIME_LIMIT), "record": "do-not-record", "answerOnBridge": "false"}


def read_dial(dial: Element, from_number: str = "") -> tuple[tuple[CallTarget, ...], tuple[Remark, ...]]:
    """Return the targets of a Dial, all of which ring at once, and what Twilio refuses about it.

    `from_number` is the caller's: without a caller ID it is the one that is shown.
    """
    found = tuple(find_breaks((dial,)))
    problems = [_to_remark(one) for one in found if one.element is dial]
    if any(one.row.refused for one in found if one.element is dial):
        return (), tuple(problems)
    caller_id = dial.get("callerId")
    terms = {name: dial.get(name, usual) for name, usual in _USUAL_TERMS.items()} | {"callerId": caller_id}
    targets: list[CallTarget] = []
    for noun in dial.children or (Element("Number", text=dial.text, line=dial.line),):
        breaks = tuple(find_breaks((noun,), ("Dial",)))
        problems += [_to_remark(one) for one in breaks]
        refused = any(one.row.refused for one in breaks)
        fault = find_caller_id_fault(caller_id, from_number, noun.name)
        if fault and not refused:
            problems.append(Remark(13214, fault, noun.line))
        target, problem = _read_noun(noun, caller_id)
        if problem:
            problems.append(problem)
        if target and not refused and not fault:
            targets.append(replace(target, terms=terms))
    return tuple(targets), tuple(problems)


def _read_noun(noun: Element, caller_id: str) -> tuple[CallTarget | None, Remark | None]:
    kind, address = noun.name.lower(), noun.text
    if kind == "number":
        target = CallTarget("number", strip_number(address), caller_id=caller_id)
    elif kind == "sip":
        target = _read_sip(noun, caller_id)
    else:
        identity = noun.child("Identity") if kind == "client" else None
        address = identity.text if identity else address
        if not address:
            return None, Remark(13221, f"Dial: `{noun.name}` names nobody", noun.line)
        target = CallTarget(kind, address, caller_id=caller_id)
    if kind in _WHISPERED:
        target = replace(target, whisper_url=noun.get("url"), whisper_method=noun.get("method", "POST").upper())
    return target, None


def _read_sip(noun: Element, caller_id: str = "") -> CallTarget:
    """Return a Sip noun as a target, its headers apart from its address; Twilio leaves out what it cannot pass on."""
    address, _, query = noun.text.partition("?")
    headers = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if is_sip_header(name)}
    return CallTarget("sip", address, headers, caller_id, noun.get("username"))


def read_enqueue(enqueue: Element) -> tuple[CallTarget | None, tuple[Remark, ...]]:
    """Return the queue or TaskRouter workflow of an Enqueue, and what Twilio refuses about it."""
    found = tuple(find_breaks((enqueue,)))
    problems = tuple(_to_remark(one) for one in found)
    if any(one.row.refused for one in found):
        return None, problems
    workflow = enqueue.get("workflowSid")
    task = enqueue.child("Task")
    of_the_task = {name: task.get(name) if task else "" for name in ("priority", "timeout")}
    terms = {**of_the_task, "waitUrl": enqueue.get("waitUrl")}
    written = task.text if task and workflow else ""
    return CallTarget("enqueue", workflow or enqueue.text, task=written, terms=terms), problems


def read_refer(refer: Element) -> tuple[CallTarget | None, tuple[Remark, ...]]:
    """Return where a Refer sends a SIP caller, and what Twilio refuses about it."""
    found = tuple(find_breaks((refer,)))
    problems = tuple(_to_remark(one) for one in found)
    noun = refer.child("Sip", "ReferSip")
    if noun is None or any(one.row.refused for one in found):
        return None, problems
    target = _read_sip(noun)
    return CallTarget("refer", target.address, target.headers), problems


def _to_remark(one: Break) -> Remark:
    return Remark(one.row.code, one.text, one.element.line)
