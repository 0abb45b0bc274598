"""The record of a simulated call: events on one time axis, routes, streams, and how it ended.

Frozen and JSON-able (`as_json`), without I/O. Times are seconds since the caller dialled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any

# How a call can end. `transferred`: a person or another system has taken it over.
Ending = Literal["hung-up", "caller-hung-up", "transferred", "rejected", "application-error", "endless"]

# `declined`: picked up, and not connected to the caller.
DialResult = Literal["answered", "busy", "no-answer", "failed", "canceled", "declined"]


@dataclass(frozen=True)
class Event:
    """One thing on a call's timeline.

    `heard`: the caller hears something (speech, ringing, music, an agent) for `seconds`. Kinds: `webhook`,
    `callback`, `answered`, `say`, `play`, `pause`, `gather`, `stream`, `dial`, `enqueue`, `refer`,
    `redirect`, `record`, `whisper` (which only the called party hears), `start`, `stop`, `gave-up`,
    `hangup`, `reject`, `warning`, `error`.
    """

    at: float
    kind: str
    label: str
    seconds: float = 0.0
    heard: bool = False
    detail: Mapping[str, Json] = field(default_factory=dict)

    @property
    def until(self) -> float:
        """When it was over."""
        return self.at + self.seconds

    def as_json(self) -> dict[str, Json]:
        """Return the event with times rounded to milliseconds."""
        return {
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 3),
            "kind": self.kind,
            "label": self.label,
            "heard": self.heard,
            **({"detail": dict(self.detail)} if self.detail else {}),
        }


@dataclass(frozen=True)
class Route:
    """One attempt to hand the caller to somebody.

    `kind`: number, sip, client, conference, queue, enqueue, refer, redirect, voicemail. `terms` are the attributes
    under which somebody is rung or waits, with Twilio's value where the TwiML has none; `task` as for `Target`.
    """

    kind: str
    address: str
    result: DialResult
    at: float
    terms: Mapping[str, str] = field(default_factory=dict)
    task: str = ""

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values."""
        return {"kind": self.kind, "address": self.address, "result": self.result, "at": round(self.at, 3)}


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class StreamLeg:
    """One media stream as the caller experienced it; times count from the moment Twilio began to connect.

    `error` is Twilio's code (31901, 31920, 31924 …), None after a normal end. `ended_by`: `agent` closed
    the socket, `caller` hung up, `error` broke it. `agent` and `caller` are the stretches in which each
    of them was audible. `recording` is a stereo WAV (left the caller, right the agent) when one was asked
    for.
    """

    opened: bool
    seconds: float
    ended_by: Literal["agent", "caller", "error"]
    error: int | None = None
    reason: str = ""
    connected_after: float | None = None
    agent: tuple[Span, ...] = ()
    caller: tuple[Span, ...] = ()
    barge_in_silence_after: float | None = None
    problems: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    recording: bytes | None = None

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values, without the recording."""
        return {
            "opened": self.opened,
            "seconds": round(self.seconds, 3),
            "ended_by": self.ended_by,
            "error": self.error,
            "reason": self.reason,
            "first_audio_after": None if not self.agent else round(self.agent[0].start, 3),
            "barge_in_silence_after": self.barge_in_silence_after,
            "problems": list(self.problems),
            "measures": {name: round(value, 4) for name, value in self.measures.items()},
        }


@dataclass(frozen=True)
class CallRecord:
    """A whole call. `answered_at` is when Twilio picked up; until then the caller hears ringing."""

    name: str
    call_sid: str
    from_number: str
    to_number: str
    ending: Ending
    seconds: float
    answered_at: float | None
    events: tuple[Event, ...]
    routes: tuple[Route, ...] = ()
    streams: tuple[tuple[float, StreamLeg], ...] = ()
    requests: int = 0

    @property
    def said(self) -> tuple[str, ...]:
        """What was read out to the caller outside the streams, in order."""
        return tuple(str(event.detail.get("text", "")) for event in self.events if event.kind == "say")

    @property
    def reached(self) -> Route | None:
        """The route that took the call, if one did."""
        return next((route for route in self.routes if route.result == "answered"), None)

    def of(self, *kinds: str) -> tuple[Event, ...]:
        """Return the events of these kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)

    def as_json(self) -> dict[str, Json]:
        """Return the call as plain values: no secrets, no audio."""
        return {
            "name": self.name,
            "call_sid": self.call_sid,
            "from": self.from_number,
            "to": self.to_number,
            "ending": self.ending,
            "seconds": round(self.seconds, 3),
            "answered_at": None if self.answered_at is None else round(self.answered_at, 3),
            "said": list(self.said),
            "routes": [route.as_json() for route in self.routes],
            "streams": [{"at": round(at, 3), **leg.as_json()} for at, leg in self.streams],
            "events": [event.as_json() for event in self.events],
        }
