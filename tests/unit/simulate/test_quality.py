"""What is complained about in the agent's audio, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ga_deploy import g711
from ga_deploy.asapp_mock.voice import speak
from ga_deploy.simulate.media.quality import list_audio_problems, measure_audio
from ga_deploy.simulate.media.stream import Ending, StreamOutcome

VOICE = speak("Hello, this is the virtual agent. How can I help you today?")
GOOD = StreamOutcome(Ending.SERVER_CLOSED, heard=g711.silence(0.4) + VOICE, gaps=((1.0, 0.04),))


def scaled(factor: float) -> bytes:
    return g711.encode(max(-32768, min(32767, int(sample * factor))) for sample in g711.decode(VOICE))


def test_a_good_call_is_not_complained_about() -> None:
    assert list_audio_problems(GOOD, real_time=True) == ()
    measures = measure_audio(GOOD)
    assert measures["agent_level_dbfs"] == pytest.approx(-20, abs=3)
    assert (measures["gaps"], measures["clipped_share"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (replace(GOOD, gaps=((1.0, 0.2), (2.0, 0.25), (3.0, 0.2))), "broke off 3 times, for 0.7 s"),
        (replace(GOOD, heard=scaled(40)), "clipped"),
        (replace(GOOD, heard=scaled(0.1)), "hard to hear"),
    ],
)
def test_each_fault_is_named(outcome: StreamOutcome, said: str) -> None:
    (problem,) = list_audio_problems(outcome, real_time=True)
    assert said in problem


def test_gaps_of_a_faster_clock_are_not_the_agents() -> None:
    broken = replace(GOOD, gaps=((1.0, 5.0),))
    assert list_audio_problems(broken, real_time=True)
    assert list_audio_problems(broken, real_time=False) == ()


def test_an_agent_that_was_never_heard_is_somebody_elses_complaint() -> None:
    silent = replace(GOOD, heard=g711.silence(1))
    assert list_audio_problems(silent, real_time=True) == ()
    assert "agent_level_dbfs" not in measure_audio(silent)
