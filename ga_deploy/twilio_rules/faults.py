"""The rules that look at more than one attribute, as functions: each returns what is wrong, in words, or nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from ga_deploy.twilio_rules import speech
from ga_deploy.twilio_rules.e164 import is_e164

if TYPE_CHECKING:
    from ga_deploy.twilio_rules.rows import Element

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SIP_HEADERS = frozenset({"user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"})
SIP_HEADERS_LENGTH = 1024
SIP_ADDRESS_LENGTH = 254
TASK_BYTES = 4096
PARAMETER_LENGTH = 500
PARAMETERS = 99

_PREMIUM = re.compile(r"\+1900[0-9]{7}")
_SIP = re.compile(r"sips?:(?:[^@\s;?]+@)?[^@\s;?]+", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")


def find_say_fault(say: Element) -> str:
    """Return why Twilio would not speak a Say with its voice."""
    return speech.find_say_fault(say.text, say.attributes.get("voice", ""))


def find_stream_url_fault(stream: Element) -> str:
    """Return why Twilio would not open a stream: it takes `wss` URLs without a query (and ours `ws` on loopback)."""
    parts = urlsplit(stream.attributes.get("url", ""))
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in LOOPBACK):
        return "the stream's URL is not wss://"
    return "the stream's URL has a query string" if parts.query else ""


def find_parameter_fault(parameter: Element) -> str:
    """Return why a Parameter may not arrive whole."""
    name, value = parameter.attributes.get("name", ""), parameter.attributes.get("value", "")
    too_long = len(name) + len(value) >= PARAMETER_LENGTH
    return f"Parameter `{name}` has {PARAMETER_LENGTH} characters or more" if too_long else ""


def find_parameters_fault(stream: Element) -> str:
    """Return whether a Stream has more Parameters than arrive."""
    count = sum(child.name == "Parameter" for child in stream.children)
    return f"{count} Parameters, at most {PARAMETERS} arrive" if count > PARAMETERS else ""


def strip_number(text: str) -> str:
    """Return a phone number without the signs that people put into it."""
    return re.sub(r"[\s().-]", "", text)


def find_number_fault(noun: Element) -> str:
    """Return why the text of a Number cannot be dialled."""
    return "" if is_e164(strip_number(noun.text)) else f"Dial: invalid phone number `{noun.text}`"


def find_premium_fault(noun: Element) -> str:
    """Return whether a Number costs its caller extra."""
    number = strip_number(noun.text)
    return f"Dial: Twilio does not call premium-rate numbers, `{number}`" if _PREMIUM.fullmatch(number) else ""


def find_sip_address_fault(noun: Element) -> str:
    """Return what is wrong with the address of a Sip, its headers apart."""
    address = noun.text.partition("?")[0]
    if not _SIP.fullmatch(address.partition(";")[0]):
        return f"Dial: invalid SIP address `{address}`"
    too_long = len(address) > SIP_ADDRESS_LENGTH
    return f"Dial: the SIP address has {len(address)} characters, at most {SIP_ADDRESS_LENGTH}" if too_long else ""


def find_sip_length_fault(noun: Element) -> str:
    """Return whether the headers of a Sip are too long together."""
    length = len(noun.text.partition("?")[2])
    return f"Dial: more than {SIP_HEADERS_LENGTH} characters of SIP headers" if length > SIP_HEADERS_LENGTH else ""


def is_sip_header(name: str) -> bool:
    """Tell whether Twilio passes a header of this name on: `X-` ones of letters, digits and dashes, and four others."""
    lower = name.lower()
    return bool(_HEADER_NAME.fullmatch(name)) and (lower.startswith("x-") or lower in SIP_HEADERS)


def find_sip_name_fault(noun: Element) -> str:
    """Return which header of a Sip has a name that Twilio does not pass on."""
    names = [name for name, _ in parse_qsl(noun.text.partition("?")[2], keep_blank_values=True)]
    wrong = [name for name in names if not is_sip_header(name)]
    return f"Dial: invalid header name `{wrong[0]}`" if wrong else ""


def find_sip_reserved_fault(noun: Element) -> str:
    """Return which header of a Sip has a name that Twilio keeps to itself."""
    names = [name for name, _ in parse_qsl(noun.text.partition("?")[2], keep_blank_values=True)]
    wrong = [name for name in names if name.lower().startswith("x-twilio")]
    return f"SIP: the header name `{wrong[0]}` is Twilio's own" if wrong else ""


def find_dial_fault(dial: Element) -> str:
    """Return whether a Dial calls nobody."""
    return "" if dial.children or dial.text else "Dial: nobody to call"


def find_queue_fault(enqueue: Element) -> str:
    """Return what is wrong with the name of a queue; with a workflow there is none."""
    if enqueue.attributes.get("workflowSid"):
        return ""
    if not enqueue.text:
        return "Enqueue: neither a queue nor a workflow"
    return f"Enqueue: the queue's name has {len(enqueue.text)} characters, at most 64" if len(enqueue.text) > 64 else ""


def find_task_fault(enqueue: Element) -> str:
    """Return whether a Task has no workflow to be routed by."""
    has_task = any(child.name == "Task" for child in enqueue.children)
    return "Enqueue: a Task without workflowSid" if has_task and not enqueue.attributes.get("workflowSid") else ""


def find_task_json_fault(task: Element) -> str:
    """Return whether the attributes of a Task are no JSON object."""
    try:
        is_object = not task.text or isinstance(json.loads(task.text), dict)
    except ValueError:
        is_object = False
    return "" if is_object else "Enqueue: the Task's attributes are not a JSON object"


def find_task_size_fault(task: Element) -> str:
    """Return whether the attributes of a Task are more than we dare to send."""
    size = len(task.text.encode())
    return f"Enqueue: the Task's attributes have {size} bytes, at most {TASK_BYTES}" if size > TASK_BYTES else ""


def find_refer_fault(refer: Element) -> str:
    """Return whether a Refer names nobody."""
    return "" if any(child.name in {"Sip", "ReferSip"} for child in refer.children) else "Refer: no Sip address"


def find_transcribe_fault(record: Element) -> str:
    """Return whether a transcription is to be reported that was not asked for."""
    asked = record.attributes.get("transcribe", "").lower() == "true"
    return "" if asked or "transcribeCallback" not in record.attributes else "transcribeCallback without transcribe"


def find_caller_id_fault(caller_id: str, from_: str, noun: str) -> str:
    """Return why a leg of `noun` (Number, Sip, Client) from a caller `from_` is refused for its caller ID.

    Without a caller ID the caller's own is shown, which has to be a number where a number is called (error 13214).
    """
    shown = caller_id or from_
    if noun == "Number" and (not shown or re.match(r"(?:client|sips?):", shown, re.IGNORECASE)):
        given = "the caller has no number" if not caller_id else f"`{caller_id}` is no number"
        return f"Dial: invalid callerId: {given}, and a number of the account has to be shown"
    return ""
