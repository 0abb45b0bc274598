"""The plan of one call: who calls whom, what the caller does, and how the destinations answer.

Plain values, made from scenarios (or by hand) and carried out by `interpreter`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.simulate.interpreter.record import DialResult

# When a caller hangs up: before Twilio answers, before the agent is on the line, while talking to the agent, while
# waiting for the result, or while being connected to somebody else.
Phase = Literal["ringing", "greeting", "stream", "result", "transfer"]


@dataclass(frozen=True)
class HangUp:
    """The caller hangs up `after` seconds into a phase of the call."""

    during: Phase
    after: float = 0.0


@dataclass(frozen=True)
class CallTarget:
    """A target that the TwiML hands the caller to.

    `kind`: number, sip, client, conference, queue, enqueue, refer, redirect or voicemail. `address` is without SIP
    headers, which are in `headers`; for `enqueue` it is the workflow or the queue, for `voicemail` the query of the
    action. `caller_id`, `task` and `terms` as written, the terms with Twilio's value where nothing is. `whisper_url` is
    what the called party is to hear before being connected.
    """

    kind: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    caller_id: str = ""
    username: str = ""
    task: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    whisper_url: str = ""
    whisper_method: str = "POST"


@dataclass(frozen=True)
class Reaction:
    """How a target reacts: `result` after `ringing` seconds, and then `talk` seconds of conversation.

    `keys` are pressed when a whisper asks for any.
    """

    result: DialResult = "answered"
    ringing: float = 4.0
    talk: float = 8.0
    keys: str = "1"


def _everybody_answers(_: CallTarget, __: int) -> Reaction:
    return Reaction()


@dataclass(frozen=True)
class Page:
    """What a web address outside the deployment answers."""

    status: int = 200
    content_type: str = "text/xml"
    body: str = "<Response/>"


@dataclass(frozen=True)
class CallPlan:
    """A call to place. `react` is asked once per attempt (counted from 0) to hand the caller to a target.

    `pages` are addresses outside the deployment that answer something; any other address outside it is a
    target of kind `redirect`: no request ever goes there. `repeat_webhooks` sends every webhook twice, as
    Twilio does after a lost answer. `play_seconds` is how long a sound file is taken to last, since none
    is fetched. `digits` are pressed at every Gather, or with `menu_keys` one of those at each, in order.
    `record_ends` is how the caller ends a message: who says nothing leaves none. `asks_after_refusal`: whether
    Connect's action is asked when the stream was refused, which Twilio documents nowhere; else what stands behind
    Connect is carried out. `placed`: the account placed the call itself, from `from_number` to `to_number`.
    """

    name: str
    voice_url: str
    call_sid: str
    account_sid: str
    from_number: str = "+15550123456"
    to_number: str = "+15550100000"
    voice_method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    hang_up: HangUp | None = None
    digits: str = ""
    menu_keys: tuple[str, ...] = ()
    react: Callable[[CallTarget, int], Reaction] = _everybody_answers
    pages: Mapping[str, Page] = field(default_factory=dict)
    own_hosts: frozenset[str] = frozenset()
    repeat_webhooks: bool = False
    play_seconds: float = 5.0
    record_ends: Literal["hang-up", "key", "nothing"] = "hang-up"
    asks_after_refusal: bool = True
    placed: bool = False
    max_requests: int = 60
    max_seconds: float = 3600.0

    @property
    def is_sip(self) -> bool:
        """Whether the caller came in over SIP: only such a call can be referred."""
        return "SipCallId" in self.parameters or self.from_number.startswith("sip:")

    @property
    def customer(self) -> str:
        """The number of the other party, whoever placed the call."""
        return self.to_number if self.placed else self.from_number

    @property
    def ours(self) -> str:
        """The account's own number."""
        return self.from_number if self.placed else self.to_number


def list_parameters(plan: CallPlan) -> dict[str, str]:
    """Return what every webhook of the call carries, `CallStatus` excepted (Twilio docs: parameters)."""
    return {
        "AccountSid": plan.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": plan.call_sid,
        "Called": plan.to_number,
        "Caller": plan.from_number,
        "Direction": "outbound-api" if plan.placed else "inbound",
        "From": plan.from_number,
        "FromCity": "SPRINGFIELD",
        "FromCountry": "US",
        "FromState": "IL",
        "FromZip": "62701",
        "To": plan.to_number,
        "ToCity": "",
        "ToCountry": "US",
        "ToState": "",
        "ToZip": "",
        **plan.parameters,
    }
