"""Opens the media streams of a scenario's call, with its caller, and turns each outcome into a leg of the call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ga_deploy.simulate.interpreter.record import Span, StreamLeg
from ga_deploy.simulate.media.audio import find_speech, write_wav
from ga_deploy.simulate.media.client import run_stream
from ga_deploy.simulate.media.quality import list_audio_problems, measure_audio
from ga_deploy.simulate.media.stream import CallerVoice as Voice
from ga_deploy.simulate.media.stream import Ending, RunningClock, SteppedClock, StreamOptions, StreamRequest, Turn, When

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ga_deploy.redact import Secret
    from ga_deploy.simulate.interpreter.transports import OpenStream, StreamOrder
    from ga_deploy.simulate.media.stream import Person, StreamOutcome
    from ga_deploy.simulate.scenario.scenario import CallerScript, Scenario

_ENDED_BY = {Ending.SERVER_CLOSED: "agent", Ending.CALLER_HUNG_UP: "caller", Ending.TIME_UP: "caller"}


def make_opener(
    scenario: Scenario,
    token: Secret | None,
    *,
    speed: float,
    read_voice: Callable[[str], bytes],
    record_to: Callable[[int], Path] | None = None,
    person: Person | None = None,
    patience: float | None = None,
) -> OpenStream:
    """Return the function that opens the streams of a scenario's call.

    `speed` 1 is real time. `read_voice` turns `caller.says` into µ-law. `record_to` returns the WAV file of each leg.
    With a `person` (a `Microphone`), that person speaks and hears; `speed` has to be 1 then. With `patience` a caller
    who has said everything hangs up when the agent has been silent for so many seconds after it last spoke.
    """
    script = scenario.caller
    turns = _list_turns(script, read_voice)
    at_last = [Turn(When.AGENT_DONE, patience, hang_up=True)] if patience is not None and person is None else []

    async def open_stream(order: StreamOrder) -> StreamLeg:
        record = record_to(order.number) if record_to else None
        request = StreamRequest(order.url, order.call_sid, order.account_sid, order.stream_sid, order.parameters, token)
        voice = Voice((*(turns if order.number == 1 else ()), *at_last))
        clock = RunningClock() if speed == 1 else SteppedClock(speed)
        outcome = await run_stream(request, voice, _make_options(script, order), clock, order.on_start, person)
        # In a thread: to measure a minute of audio takes as long as a frame, and other calls have frames to send.
        return await asyncio.to_thread(record_leg, outcome, record, real_time=speed == 1)

    return open_stream


def _list_turns(script: CallerScript, read_voice: Callable[[str], bytes]) -> list[Turn]:
    turns: list[Turn] = []
    if script.says:
        audio = read_voice(script.says)
        if script.barge_in_after is None:
            turns.append(Turn(When.AGENT_DONE, 0.3, audio=audio, text=script.says))
        else:
            turns.append(Turn(When.AGENT_SPEAKS, script.barge_in_after, audio=audio, text=script.says))
    if script.keys:
        turns.append(Turn(When.AGENT_DONE, 0.3, digits=script.keys))
    return turns


def _make_options(script: CallerScript, order: StreamOrder) -> StreamOptions:
    left = order.hang_up_after
    return StreamOptions(
        seed=script.seed + order.number,
        loss=script.loss,
        jitter_ms=script.jitter_ms,
        noise_dbfs=script.noise_dbfs,
        max_seconds=StreamOptions().max_seconds if left is None else left,
    )


def record_leg(outcome: StreamOutcome, recording: Path | None, *, real_time: bool) -> StreamLeg:
    """Write the recording of a stream that was opened, and return the leg.

    A recording that cannot be written is one of the leg's problems: a full disk does not lose the call.
    """
    try:
        if recording and outcome.opened:
            write_wav(recording, outcome.spoken, outcome.heard)
    except OSError as problem:
        leg = make_leg(outcome, real_time=real_time)
        lost = f"the recording {recording} could not be written: {problem.strerror or problem}"
        return replace(leg, problems=(*leg.problems, lost))
    return make_leg(outcome, recording, real_time=real_time)


def make_leg(outcome: StreamOutcome, recording: Path | None = None, *, real_time: bool = True) -> StreamLeg:
    """Return the leg that a stream was, with the stretches in which each side was audible."""
    ended_by = _ENDED_BY.get(outcome.ending, "error")
    barge_ins = [barge_in.silent_after for barge_in in outcome.barge_ins if barge_in.silent_after is not None]
    agent = _to_spans(outcome.heard)
    return StreamLeg(
        opened=outcome.opened,
        seconds=outcome.duration,
        ended_by=ended_by,  # type: ignore[arg-type]
        error=outcome.code if ended_by == "error" else None,
        reason=outcome.reason if ended_by == "error" else "",
        connected_after=0.0 if outcome.opened else None,
        agent=agent,
        caller=_to_spans(outcome.spoken),
        barge_in_silence_after=max(barge_ins) if barge_ins else None,
        problems=list_audio_problems(outcome, real_time=real_time),
        measures={
            "frames_sent": outcome.frames_sent,
            "frames_received": outcome.frames_received,
            "late_p99_ms": outcome.lateness.p99_ms,
            **measure_audio(outcome),
        },
        recording=recording.read_bytes() if recording and recording.exists() else None,
    )


def _to_spans(audio: bytes) -> tuple[Span, ...]:
    return tuple(Span(speech.start, speech.end) for speech in find_speech(audio))
