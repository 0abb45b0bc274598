"""Who a Dial, Enqueue, Refer or Redirect hands the caller to, and what Twilio refuses about it.

Sources: Twilio docs, the pages of Dial and its nouns, Enqueue and Refer; errors 13214, 13223, 13224, 13225,
13801, 14101.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import parse_qsl

from ga_deploy.simulate.plan import Target
from ga_deploy.simulate.twiml import Element, Remark

_WHISPERED = frozenset({"number", "sip", "client"})
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PREMIUM = re.compile(r"\+1900[0-9]{7}")
_CALLER_ID = re.compile(r"\+?[0-9]{3,15}|client:\S+|sip:\S+|sips:\S+|anonymous", re.IGNORECASE)
_SIP = re.compile(r"sips?:(?:[^@\s;?]+@)?[^@\s;?]+", re.IGNORECASE)


def read_dial(dial: Element) -> tuple[tuple[Target, ...], tuple[Remark, ...]]:
    """Return the targets of a Dial, all of which ring at once, and what Twilio refuses about it."""
    nouns = dial.children or ((Element("Number", text=dial.text, line=dial.line),) if dial.text else ())
    problems: list[Remark] = []
    caller_id = dial.get("callerId")
    if caller_id and not _CALLER_ID.fullmatch(caller_id):
        problems.append(Remark(13214, f"Dial: invalid callerId `{caller_id}`", dial.line))
        return (), tuple(problems)
    if not nouns:
        problems.append(Remark(13221, "Dial: nobody to call", dial.line))
    targets: list[Target] = []
    for noun in nouns:
        target, problem = _read_noun(noun, caller_id)
        if problem:
            problems.append(problem)
        if target:
            if target.kind in _WHISPERED:
                target = replace(target, whisper_url=noun.get("url"), whisper_method=noun.get("method", "POST").upper())
            targets.append(target)
    return tuple(targets), tuple(problems)


def _read_noun(noun: Element, caller_id: str) -> tuple[Target | None, Remark | None]:
    kind, address = noun.name.lower(), noun.text
    if kind == "number":
        address = re.sub(r"[\s().-]", "", address)
        if not _E164.fullmatch(address):
            return None, Remark(13223, f"Dial: invalid phone number `{noun.text}`", noun.line)
        if _PREMIUM.fullmatch(address):
            return None, Remark(13225, f"Dial: Twilio does not call premium-rate numbers, `{address}`", noun.line)
        return Target("number", address, caller_id=caller_id), None
    if kind == "sip":
        return read_sip(noun, caller_id)
    if kind == "client":
        identity = noun.child("Identity")
        address = identity.text if identity else address
    if not address:
        return None, Remark(13221, f"Dial: `{noun.name}` names nobody", noun.line)
    return Target(kind, address, caller_id=caller_id), None


def read_sip(noun: Element, caller_id: str = "") -> tuple[Target | None, Remark | None]:
    """Return a Sip noun as a target, its headers apart from its address."""
    address, _, query = noun.text.partition("?")
    if not _SIP.fullmatch(address.partition(";")[0]):
        return None, Remark(13224, f"Dial: invalid SIP address `{address}`", noun.line)
    headers = dict(parse_qsl(query, keep_blank_values=True))
    if len(query) > 1024:
        return None, Remark(13224, "Dial: more than 1024 characters of SIP headers", noun.line)
    return Target("sip", address, headers, caller_id, noun.get("username")), None


def read_enqueue(enqueue: Element) -> tuple[Target | None, Remark | None]:
    """Return the queue or TaskRouter workflow of an Enqueue; the Task has to be JSON."""
    workflow = enqueue.get("workflowSid")
    task = enqueue.child("Task")
    text = task.text if task else ""
    if workflow:
        if not re.fullmatch(r"WW[0-9a-fA-F]{32}", workflow):
            return None, Remark(14101, f"Enqueue: `{workflow}` is not a workflow SID", enqueue.line)
        if text and not _is_json_object(text):
            return None, Remark(14101, "Enqueue: the Task's attributes are not a JSON object", enqueue.line)
    elif not enqueue.text:
        return None, Remark(13221, "Enqueue: neither a queue nor a workflow", enqueue.line)
    return Target("enqueue", workflow or enqueue.text, task=text), None


def read_refer(refer: Element) -> tuple[Target | None, Remark | None]:
    """Return where a Refer sends a SIP caller."""
    noun = refer.child("Sip", "ReferSip")
    if noun is None:
        return None, Remark(13801, "Refer: no Sip address", refer.line)
    target, problem = read_sip(noun)
    if target is None:
        return None, problem
    return Target("refer", target.address, target.headers), None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
