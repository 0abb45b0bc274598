"""The playout buffer, the caller, the agent as heard, and the line: each without a socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy import g711
from ga_deploy.asapp_mock.voice import speak
from ga_deploy.simulate.media.caller import Act, AgentEar, Caller, Line
from ga_deploy.simulate.media.playout import PlayoutBuffer
from ga_deploy.simulate.media.stream import CallerVoice, Turn, When

VOICE = b"\x80\x00" * 80
QUIET = g711.silence(0.02)


def drain(buffer: PlayoutBuffer) -> tuple[bytes, list[tuple[int, str]]]:
    heard, marks = b"", []
    for number in range(1000):
        if not buffer.seconds and number:
            break
        frame, reached = buffer.play()
        heard += frame
        marks += [(number, name) for name in reached]
    return heard, marks


@given(st.lists(st.binary(min_size=1, max_size=700), max_size=20))
def test_audio_comes_out_as_it_went_in(pieces: list[bytes]) -> None:
    buffer = PlayoutBuffer()
    for piece in pieces:
        buffer.add_audio(piece)
    everything = b"".join(pieces)
    assert buffer.seconds == len(everything) / 8000
    heard, _ = drain(buffer)
    assert heard.startswith(everything)
    assert set(heard[len(everything) :]) <= {0xFF}
    assert len(heard) % 160 == 0


def test_a_mark_comes_back_with_the_frame_that_ends_what_was_before_it() -> None:
    buffer = PlayoutBuffer()
    assert buffer.add_mark("at once") == ["at once"]
    buffer.add_audio(b"\0" * 480)
    assert buffer.add_mark("third frame") == []
    buffer.add_audio(b"\0" * 100)
    buffer.add_mark("fourth frame")
    buffer.add_mark("fourth frame too")
    assert drain(buffer)[1] == [(2, "third frame"), (3, "fourth frame"), (3, "fourth frame too")]


def test_clear_gives_the_marks_back_and_the_audio_up() -> None:
    buffer = PlayoutBuffer()
    buffer.add_audio(b"\0" * 1600)
    buffer.add_mark("one")
    buffer.add_audio(b"\0" * 1600)
    buffer.add_mark("two")
    buffer.play()
    assert (buffer.clear(), buffer.seconds, buffer.play()) == (["one", "two"], 0.0, (QUIET, []))


def listen(ear: AgentEar, pattern: str) -> None:
    """`v` voice, `q` quiet from the agent, `.` an empty buffer, `c` a clear; 20 ms each."""
    for number, sign in enumerate(pattern):
        if sign == "c":
            ear.cut()
        ear.take(VOICE if sign == "v" else QUIET, number * 0.02, playing=sign in "vq")


@pytest.mark.parametrize(
    ("pattern", "gaps"),
    [
        ("vvvv....vvvv", [(0.08, 0.08)]),
        ("vvvvqqqqvvvv", []),
        ("vvvv" + "." * 40 + "vvvv", []),
        ("vvvvc...vvvv", []),
        ("....vvvv", []),
        ("vv..vv..vv", [(0.04, 0.04), (0.12, 0.04)]),
    ],
)
def test_an_empty_buffer_within_speech_is_a_gap(pattern: str, gaps: Any) -> None:
    ear = AgentEar()
    listen(ear, pattern)
    assert [(round(at, 2), round(length, 2)) for at, length in ear.gaps] == gaps


def test_first_audio_and_barge_in() -> None:
    ear = AgentEar()
    for number in range(100):
        at = number * 0.02
        ear.take(VOICE if 10 <= number < 60 else QUIET, at, playing=True)
        if number == 40:
            ear.speak_over(at)
    assert ear.first_audio == pytest.approx(0.2)
    assert [(round(one.at, 2), round(one.silent_after or 0, 2)) for one in ear.barge_ins] == [(0.8, 0.4)]
    ear.speak_over(2.0)
    assert len(ear.barge_ins) == 1, "nobody to interrupt"


def perform(voice: CallerVoice, agent: str, frames: int = 200) -> dict[float, Act]:
    """What the caller does besides being quiet, while the agent speaks as the pattern says (each sign 100 ms)."""
    ear = AgentEar()
    caller = Caller(voice, ear)
    acts = {}
    for number in range(frames):
        at = number * 0.02
        speaks = number // 5 < len(agent) and agent[number // 5] == "v"
        ear.take(VOICE if speaks else QUIET, at, playing=speaks)
        act = caller.act(at)
        if act != Act():
            acts[round(at, 2)] = act
        if act.hang_up:
            break
    return acts


def test_turns_follow_the_clock_and_the_agent() -> None:
    turns = (
        Turn(When.TIME, 0.5, audio=VOICE),
        Turn(When.AGENT_SPEAKS, 0.3, audio=VOICE * 2),
        Turn(When.AGENT_DONE, 0.4, digits="1w2"),
        Turn(When.TIME, 0.2, hang_up=True),
    )
    acts = perform(CallerVoice(turns), "----------vvvvvvvvvv")
    assert [at for at, act in acts.items() if act.begins_to_speak] == [0.5, 1.3]
    assert [(at, act.digit) for at, act in acts.items() if act.digit] == [(2.38, "1"), (3.14, "2")]
    assert list(acts)[-1] == pytest.approx(3.34, abs=0.021)


def test_an_agent_who_never_speaks_is_never_answered() -> None:
    assert perform(CallerVoice((Turn(When.AGENT_DONE, 0.1, audio=VOICE),)), "") == {}


def carry(line: Line, count: int = 500) -> list[tuple[int, int]]:
    return [(number, at) for at in range(count) for number, _ in line.carry(at, VOICE, at * 0.02)]


def test_a_good_line_changes_nothing() -> None:
    assert carry(Line(seed=1, loss=0, jitter_ms=0, noise_dbfs=None)) == [(at, at) for at in range(500)]


def test_losses_are_seeded_and_as_many_as_asked_for() -> None:
    def lose(seed: int) -> list[tuple[int, int]]:
        return carry(Line(seed=seed, loss=0.2, jitter_ms=0, noise_dbfs=None))

    assert lose(1) == lose(1) != lose(2)
    assert 350 < len(lose(1)) < 450


def test_jitter_delays_but_keeps_the_order() -> None:
    arrived = carry(Line(seed=1, loss=0, jitter_ms=100, noise_dbfs=None))
    assert [number for number, _ in arrived] == list(range(len(arrived)))
    delays = {at - number for number, at in arrived}
    assert max(delays) <= 6
    assert len(delays) > 2


def test_noise_has_the_level_asked_for_and_is_under_the_voice_too() -> None:
    line = Line(seed=1, loss=0, jitter_ms=0, noise_dbfs=-40)
    quiet = b"".join(frame for at in range(100) for _, frame in line.carry(at, QUIET, at * 0.02))
    assert g711.measure_level(quiet) == pytest.approx(-40, abs=1)
    assert line.carry(0, VOICE, 0.0)[0][1] != VOICE


def test_the_mock_agents_voice_is_taken_for_speech() -> None:
    audio = speak("Hello, how can I help you today?")
    assert len(audio) % 160 == 0
    assert -26 < g711.measure_level(audio) < -14
    assert speak("") == g711.silence(0.02)
    assert speak("Hello, how can I help you today?") == audio
