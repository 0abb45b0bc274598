"""Scripts: what the mock agent does on a call, and which result ASAPP reports afterwards. Plain values, from JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ending(StrEnum):
    """How the agent leaves the call after its last step."""

    AGENT = "AGENT"  # transfers to a person
    SYSTEM = "SYSTEM"  # transfers to a system
    COMPLETED = "COMPLETED"  # the conversation is over, without a transfer
    NO_RESULT = "NO_RESULT"  # closes the stream; ASAPP never has a result
    DROP = "DROP"  # breaks the connection
    STAY = "STAY"  # never closes


@dataclass(frozen=True)
class Say:
    """Speak `text`, then wait until the caller has heard it. If `interruptible`, a caller who talks stops it."""

    text: str
    interruptible: bool = True


@dataclass(frozen=True)
class Listen:
    """Wait until the caller has spoken or pressed `digits` keys. Go on after `seconds` without either."""

    seconds: float = 3.0
    digits: int = 1


@dataclass(frozen=True)
class Pause:
    """Be silent for `seconds`, whatever the caller does."""

    seconds: float


Step = Say | Listen | Pause


@dataclass(frozen=True)
class Report:
    """What `call-transfers/{id}` reports about the call.

    For `ongoing_ms` after the close it still reports ONGOING. With `http_status` the first `http_times` answers (0:
    all) are that error. `after_hang_up` is the answer when the caller ended the call.
    """

    task: str = ""
    transfer_variables: Mapping[str, object] = field(default_factory=dict)
    reference_variables: Mapping[str, object] = field(default_factory=dict)
    status: str = "COMPLETED"
    with_output_context: bool = True
    ongoing_ms: int = 0
    latency_ms: int = 0
    http_status: int = 0
    http_times: int = 0
    after_hang_up: Literal["404", "ONGOING"] = "404"


@dataclass(frozen=True)
class Script:
    """One call of a mock agent.

    `drop_after` breaks the connection at that second of the stream. `silent` sends no audio. `garbage` sends a message
    that the protocol does not have. `chunk_ms` is the length of one media message. `then` is the script for the next
    stream of the same conversation (None: the same script).
    """

    name: str = "agent"
    steps: tuple[Step, ...] = ()
    ending: Ending = Ending.AGENT
    report: Report = Report()
    drop_after: float = 0.0
    silent: bool = False
    garbage: bool = False
    chunk_ms: int = 20
    then: Script | None = None


def read_script(value: Mapping[str, Any]) -> Script:
    """Return the script that a JSON object describes; steps are `{"say": …}`, `{"listen": …}`, `{"pause": …}`.

    Raises ValueError naming what is wrong with it.
    """
    known = _check_keys(value, Script)
    if "steps" in known:
        known["steps"] = tuple(_read_step(step) for step in known["steps"])
    if "ending" in known:
        known["ending"] = Ending(known["ending"])
    if "report" in known:
        known["report"] = Report(**_check_keys(known["report"], Report))
    if known.get("then") is not None:
        known["then"] = read_script(known["then"])
    return Script(**known)


def _check_keys(value: Mapping[str, Any], wanted: type) -> dict[str, Any]:
    names = {one.name for one in fields(wanted)}
    if not isinstance(value, dict) or not value.keys() <= names:
        unknown = sorted(value.keys() - names) if isinstance(value, dict) else [value]
        raise ValueError(f"unknown keys {unknown} in {wanted.__name__.lower()}; it has {sorted(names)}")
    return dict(value)


def _read_step(value: Mapping[str, Any]) -> Step:
    match value:
        case {"say": str(text), **rest} if rest.keys() <= {"interruptible"}:
            return Say(text, **rest)
        case {"listen": int() | float() as seconds, **rest} if rest.keys() <= {"digits"}:
            return Listen(float(seconds), **rest)
        case {"pause": int() | float() as seconds, **rest} if not rest:
            return Pause(float(seconds))
    raise ValueError(f"a step is one of say, listen and pause, but this is {value!r}")


_GREETING = Say("Hello, this is the virtual agent. How can I help you today?")
_TALK: tuple[Step, ...] = (_GREETING, Listen())


def _ask(*goodbye: str) -> tuple[Step, ...]:
    return (*_TALK, *(Say(text) for text in goodbye))


# A call chooses one of these by an input variable `ending`, or by the task that it starts with.
SHIPPED: dict[str, Script] = {
    script.name: script
    for script in (
        Script(
            "agent",
            _ask("Let me get you to somebody who can help."),
            Ending.AGENT,
            Report(task="Billing", reference_variables={"accountId": "12345", "verified": "true"}),
        ),
        Script(
            "system",
            _ask("All done. One moment please."),
            Ending.SYSTEM,
            Report(
                task="PaymentDetails",
                transfer_variables={"reason": "payment", "amount": "42.50"},
                reference_variables={"accountId": "12345"},
            ),
        ),
        Script("completed", _ask("You are welcome. Goodbye."), Ending.COMPLETED, Report(task="Faq")),
        Script("no_result", _ask("Goodbye."), Ending.NO_RESULT),
        Script("drop", _TALK, Ending.DROP),
        Script("drop_once", _TALK, Ending.DROP, then=Script("resumed", _ask("Sorry about that."), Ending.AGENT)),
        Script("stay", _ask("I am still here."), Ending.STAY),
        Script("silent", _ask("You cannot hear this."), Ending.AGENT, silent=True),
        Script("garbage", (_GREETING,), Ending.STAY, garbage=True),
        Script("long", (Say(" ".join(["Please listen to the following terms."] * 12)), Listen()), Ending.AGENT),
        Script("keys", (Say("Please key in your four digits."), Listen(8.0, digits=4)), Ending.SYSTEM),
        Script("late", _ask("One moment."), Ending.AGENT, Report(ongoing_ms=1500)),
        Script("never_written", _ask("One moment."), Ending.AGENT, Report(ongoing_ms=3_600_000)),
        Script("expired", _ask("One moment."), Ending.AGENT, Report(status="EXPIRED", with_output_context=False)),
        Script("lower_case", _ask("One moment."), Ending.AGENT, Report(status="completed")),
        Script("no_output", _ask("One moment."), Ending.COMPLETED, Report(with_output_context=False)),
        Script("result_error", _ask("One moment."), Ending.AGENT, Report(http_status=503)),
        Script("result_slow", _ask("One moment."), Ending.AGENT, Report(latency_ms=1500)),
    )
}
