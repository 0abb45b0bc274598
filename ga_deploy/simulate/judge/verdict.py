"""Expectations of a call and the verdict on it, with one line about what the caller heard and where the call went."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.simulate.interpreter.record import CallRecord, Ending, Json, Route


@dataclass(frozen=True)
class Expectation:
    """What a caller must go through. Times are in seconds. None: not judged.

    `outcome` names the config's steps that must follow the conversation (or the failed attempt at one). `went` lists
    destinations by name in the order in which they were tried. `errors` are Twilio's codes that belong to the scenario;
    every other error fails the call. `agent_heard`: some stream has to carry the agent's voice. `may_stay`: the agent
    need not end the conversation itself. `waits`: the config's own silent waiting for a result is no dead air.
    `stream_parameters` are parameters of the streams with their values. `hears_caller`: the share of the caller's
    speech that has to reach the agent.
    """

    outcome: str | None = None
    ending: frozenset[Ending] | None = None
    went: tuple[str, ...] | None = None
    reaches: bool | None = None
    said: tuple[str, ...] = ()
    not_said: tuple[str, ...] = ()
    streams: int | None = None
    agent_heard: bool = False
    may_stay: bool = False
    errors: frozenset[int] = frozenset()
    stream_parameters: Mapping[str, str] = field(default_factory=dict)
    pressed: str = ""
    barge_in_within: float | None = None
    hears_caller: float | None = None
    waits: bool = False
    max_dead_air: float = 4.0
    max_first_twiml: float = 5.0
    max_first_audio: float = 5.0


@dataclass(frozen=True)
class Failing:
    """One check that a call did not pass, in words."""

    check: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.what}"


@dataclass(frozen=True)
class Verdict:
    """The judgement of one call. `measures` is what `measure` returns."""

    record: CallRecord
    failings: tuple[Failing, ...]
    measures: Mapping[str, float]
    title: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.failings

    @property
    def heard(self) -> str:
        """What the caller heard, in a line."""
        return describe_heard(self.record)

    @property
    def went(self) -> str:
        """Where the call went, in a line."""
        return describe_route(self.record)

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values, the call included."""
        return {
            "passed": self.passed,
            "title": self.title,
            "failings": [{"check": failing.check, "what": failing.what} for failing in self.failings],
            "measures": {name: round(value, 3) for name, value in self.measures.items()},
            "heard": self.heard,
            "went": self.went,
            "call": self.record.as_json(),
        }


def describe_heard(record: CallRecord) -> str:
    """Return what the caller heard, in a line: speech in quotes, the agent, music, ringing; `×3` for three on end."""
    parts: list[tuple[float, str]] = [
        (event.at, f"“{event.detail.get('text', '')}”") for event in record.of("say") if event.detail.get("text")
    ]
    parts += [(event.at, "a recording") for event in record.of("play")]
    parts += [(event.at, f"“{event.detail['spoken']}”") for event in record.of("error") if "spoken" in event.detail]
    parts += [(at, "the agent") for at, leg in record.streams if leg.agent]
    parts += [(event.at, "ringing") for event in record.of("dial", "enqueue") if event.detail.get("targets")]
    in_order = (text for _, text in sorted(parts, key=lambda pair: pair[0]))
    times = ((text, len(list(same))) for text, same in groupby(in_order))
    return ", ".join(text if count == 1 else f"{text} ×{count}" for text, count in times) or "nothing"


def describe_route(record: CallRecord) -> str:
    """Return where the call went, in a line: every attempt with its result, then how it ended."""
    tried = [f"{_name_route(route)} ({route.result})" for route in record.routes]
    if record.ending == "hung-up" and not record.reached:
        tried.append("hung up")
    elif record.ending not in {"hung-up", "transferred"}:
        tried.append(record.ending.replace("-", " "))
    return " → ".join(tried) or "nowhere"


def _name_route(route: Route) -> str:
    if route.kind == "voicemail":
        return route.kind
    return route.address if route.address.startswith("sip") else f"{route.kind} {route.address}"
