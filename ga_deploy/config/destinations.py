"""Where a call may go.

A number, a SIP address, a contact centre's queue, voicemail, another TwiML application, a SIP transfer.
"""

from __future__ import annotations

import re
import typing
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from ga_deploy.config.addresses import HttpsUrl, PhoneNumber, SipUri, check_phone_number
from ga_deploy.config.hours import Hours
from ga_deploy.config.queue import Queue
from ga_deploy.config.references import Referenced
from ga_deploy.config.scalars import Choice, SecretText, Text, Truth, Whole, check_each, finding, kind_of, show
from ga_deploy.config.steps import Notify
from ga_deploy.config.values import Strict, Value
from ga_deploy.twilio_rules.e164 import PATTERN as E164


def _caller_id(value: Any) -> Any:
    made_up = isinstance(value, Referenced) and value.stand_in
    if not isinstance(value, str) or value.startswith("+") or made_up:
        return check_phone_number(value)
    if value not in {"called", "caller"}:
        raise finding(
            f"{show(value)} is not a caller id",
            "it is `called`, `caller`, or a number in quotes",
            "write `caller_id: called`",
        )
    return str(value)


CallerId = Annotated[
    str,
    BeforeValidator(_caller_id),
    WithJsonSchema({"type": "string", "pattern": f"^(called|caller|{E164})$"}),
]


# Beside X-... (Twilio errors 13252 and 32113).
_SIP_HEADERS = ("User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID")


def _header(name: str, value: Any) -> Any:
    if re.match(r"[Xx]-[Tt][Ww][Ii][Ll][Ii][Oo]", name):
        raise finding(
            f"`{name[:60]}` cannot be sent as a SIP header",
            "Twilio keeps names that begin with X-Twilio for itself, and refuses them",
            "rename it",
            at_key=True,
        )
    if name not in _SIP_HEADERS and not re.fullmatch(r"[Xx]-[A-Za-z0-9\-]{1,60}", name):
        raise finding(
            f"`{name[:60]}` cannot be sent as a SIP header",
            "Twilio passes on headers that begin with X-, and " + ", ".join(_SIP_HEADERS),
            f"name it X-{re.sub('[^A-Za-z0-9-]', '-', name)[:60]}",
            at_key=True,
        )
    return value


class _Destination(Strict):
    hours: Hours | None = Field(None, description="when it is open; always, when empty")


RecordDial = Annotated[
    typing.Literal[
        "do-not-record",
        "record-from-answer",
        "record-from-ringing",
        "record-from-answer-dual",
        "record-from-ringing-dual",
    ],
    Choice,
]


class _Dialled(_Destination):
    """What every call to somebody has (Twilio docs: Dial)."""

    caller_id: CallerId = Field("called", description='what the callee sees: called, caller, or a number "+1..."')
    timeout: Annotated[Whole, Field(ge=1, le=600)] = Field(20, description="seconds it may ring")
    answer_on_bridge: Truth = Field(
        False,
        description="a call that nobody has answered yet (`bypass`, `closed`) rings on until the callee answers; after "
        "the agent it changes nothing",
    )
    time_limit: Annotated[Whole, Field(ge=1, le=86400)] | None = Field(
        None, description="seconds after which the two are cut off; Twilio's limit is four hours when empty"
    )
    record: RecordDial = Field("do-not-record", description="record the two, from the answer or from the first ring")


class NumberDestination(_Dialled):
    """A phone number, dialled."""

    number: PhoneNumber = Field(description="E.164, in quotes")


class SipDestination(_Dialled):
    """A SIP address, dialled."""

    sip: SipUri = Field(description="sip:user@host")
    username: Text | None = Field(None, description="for digest authentication")
    password: SecretText | None = Field(None, description="for digest authentication; a ${NAME} reference")
    headers: Annotated[dict[str, Value], BeforeValidator(lambda value: check_each(value, _header))] = Field(
        default_factory=dict,
        description="names X-..., User-to-User and a few more (X-Twilio... is refused), and their values",
    )


class EnqueueDestination(_Destination):
    """A contact centre's queue."""

    enqueue: Queue


class Voicemail(Strict):
    """What a caller hears, how long a message may be, and who is told."""

    say: Annotated[Text, Field(max_length=3000)] = Field(
        "Please leave a message after the tone.", description='said before the tone; "" is the tone alone'
    )
    max_seconds: Annotated[Whole, Field(ge=2, le=3600)] = Field(120, description="how long a message may be")
    notify: Notify | None = Field(
        None, description="web hook that gets the recording's URL; to fetch it takes the account's credentials"
    )


class VoicemailDestination(_Destination):
    """The caller leaves a message. It is final: the call ends with it, as it does with a redirect."""

    voicemail: Voicemail = Field(description="`{}` for the defaults")


class RedirectDestination(_Destination):
    """Another TwiML application, which takes the call over for good."""

    redirect: HttpsUrl = Field(description="https URL")
    params: dict[str, Value] = Field(default_factory=dict, description="query parameters added to it")


class ReferDestination(_Destination):
    """A blind SIP transfer of the inbound SIP leg."""

    refer: SipUri = Field(description="sip:user@host")


Destination = (
    NumberDestination
    | SipDestination
    | EnqueueDestination
    | VoicemailDestination
    | RedirectDestination
    | ReferDestination
)

KINDS: dict[str, type[_Destination]] = {
    "number": NumberDestination,
    "sip": SipDestination,
    "enqueue": EnqueueDestination,
    "voicemail": VoicemailDestination,
    "redirect": RedirectDestination,
    "refer": ReferDestination,
}


def _check_destination(raw: Any) -> Any:
    if isinstance(raw, _Destination):
        return raw
    known = ", ".join(KINDS)
    if not isinstance(raw, dict):
        raise finding(
            f"a destination is {kind_of(raw)}",
            f"it has to be a mapping with one of {known}",
            'write it like {number: "+15550100001"}',
        )
    kinds = [kind for kind in KINDS if kind in raw]
    if len(kinds) > 1:
        raise finding(
            "a destination is several things at once: " + ", ".join(f"`{kind}`" for kind in kinds),
            "it is one of " + known,
            "make two destinations of it, and send to one after the other",
        )
    if not kinds:
        near = [match[0] for key in raw if (match := get_close_matches(str(key), list(KINDS), n=1))]
        raise finding(
            "a destination leads nowhere",
            f"it needs one of {known}",
            f"did you mean `{near[0]}`?" if near else 'write for example {number: "+15550100001"}',
        )
    return raw


def _destination_kind(raw: Any) -> str | None:
    if isinstance(raw, dict):
        return next((f"({kind})" for kind in KINDS if kind in raw), None)
    return next((f"({kind})" for kind, model in KINDS.items() if isinstance(raw, model)), None)


AnyDestination = Annotated[
    Annotated[NumberDestination, Tag("(number)")]
    | Annotated[SipDestination, Tag("(sip)")]
    | Annotated[EnqueueDestination, Tag("(enqueue)")]
    | Annotated[VoicemailDestination, Tag("(voicemail)")]
    | Annotated[RedirectDestination, Tag("(redirect)")]
    | Annotated[ReferDestination, Tag("(refer)")],
    Discriminator(_destination_kind),
    BeforeValidator(_check_destination),
]
