"""Measures of a call: how long the caller waited, and the longest silence. All in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.simulate.interpreter.record import Span

if TYPE_CHECKING:
    from ga_deploy.simulate.interpreter.record import CallRecord


def measure(record: CallRecord) -> dict[str, float]:
    """Return the call's times in seconds, those that exist.

    `first_twiml`, `first_audio`, `dead_air`, `slowest_webhook`, `barge_in_silence_after`, `seconds`.
    """
    measures = {"seconds": record.seconds, "dead_air": find_dead_air(record).seconds}
    webhooks = [event for event in record.of("webhook") if event.detail.get("status")]
    if webhooks:
        measures["first_twiml"] = webhooks[0].until
        measures["slowest_webhook"] = max(event.seconds for event in webhooks)
    for at, leg in record.streams[:1]:
        if leg.agent:
            measures["first_audio"] = leg.agent[0].start
            measures["agent_speaks_at"] = at + leg.agent[0].start
        if leg.barge_in_silence_after is not None:
            measures["barge_in_silence_after"] = leg.barge_in_silence_after
    return measures


@dataclass(frozen=True)
class Silence:
    """The longest time in which the caller heard nothing, and said nothing."""

    start: float
    seconds: float
    before: str = ""


def find_dead_air(record: CallRecord, *, to_the_end: bool = True, spared: Span | None = None) -> Silence:
    """Return the longest silence between the moment Twilio answers and the end of the call, or the last sound.

    The caller's own voice is no silence, ringing and music are none either; waiting for a webhook, for a
    stream to open, for an agent to begin and after it has ended are. `spared` is a time that is not judged.
    """
    if record.answered_at is None:
        return Silence(0.0, 0.0)
    sounds = [Span(event.at, event.until) for event in record.events if event.heard and event.kind != "stream"]
    sounds += [spared] if spared else []
    for at, leg in record.streams:
        sounds += [Span(at + span.start, at + span.end) for span in (*leg.agent, *leg.caller)]
    longest = Silence(record.answered_at, 0.0)
    quiet_since = record.answered_at
    end = [Span(record.seconds, record.seconds)] if to_the_end else []
    for span in [*sorted(sounds, key=lambda span: span.start), *end]:
        if span.start - quiet_since > longest.seconds:
            longest = Silence(quiet_since, span.start - quiet_since)
        quiet_since = max(quiet_since, span.end)
    return Silence(longest.start, longest.seconds, _what_was_on(record, longest))


def _what_was_on(record: CallRecord, silence: Silence) -> str:
    end = silence.start + silence.seconds
    overlapping = [event for event in record.events if event.seconds and event.at < end and event.until > silence.start]
    longest = max(overlapping, key=lambda e: min(e.until, end) - max(e.at, silence.start), default=None)
    return longest.label if longest else ""
