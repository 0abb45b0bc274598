"""Faults in the agent's audio that a caller would hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ga_deploy.simulate.media.audio import judge_audio

if TYPE_CHECKING:
    from ga_deploy.simulate.media.stream import StreamOutcome

# A voice on a telephone has about -20 dBFS (ITU-T P.56 active speech level); one below this limit is hard to hear.
QUIETEST_DBFS = -36.0
MOST_CLIPPED = 0.01
LONGEST_GAPS = 0.4


def measure_audio(outcome: StreamOutcome) -> dict[str, float]:
    """Return measures of the agent's audio. Its level is there only if the agent was audible."""
    quality = judge_audio(outcome.heard)
    measures = {
        "gaps": float(len(outcome.gaps)),
        "gap_seconds": sum(length for _, length in outcome.gaps),
        "clipped_share": quality.clipped_share,
        "agent_speech_seconds": quality.speech_seconds,
        "agent_longest_silence": quality.longest_silence,
    }
    if quality.speech_seconds:
        measures["agent_level_dbfs"] = quality.level_dbfs
    return measures


def list_audio_problems(outcome: StreamOutcome, *, real_time: bool) -> tuple[str, ...]:
    """Return the faults of the agent's audio, in words.

    Gaps count in real time only: on a faster clock the usual delays of the network would look like gaps.
    """
    measures = measure_audio(outcome)
    problems = []
    if real_time and measures["gap_seconds"] > LONGEST_GAPS:
        problems.append(
            f"the agent's speech broke off {measures['gaps']:.0f} times, for {measures['gap_seconds']:.1f} s in all"
        )
    if measures["clipped_share"] > MOST_CLIPPED:
        problems.append(f"{measures['clipped_share']:.0%} of the agent's speech is clipped")
    if measures.get("agent_level_dbfs", 0.0) < QUIETEST_DBFS:
        problems.append(f"the agent is hard to hear: {measures['agent_level_dbfs']:.0f} dBFS")
    return tuple(problems)
