"""The media-stream client against a server that others wrote: the echo agent that streamdouble's sdist brings.

Its behaviours are chosen by a query string, which Twilio does not send; the launcher takes them from the path instead,
and nothing else between the wire and that agent is ours.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from ga_deploy.asapp_mock.voice import speak
from ga_deploy.simulate.media.client import run_stream
from ga_deploy.simulate.media.stream import (
    CallerVoice,
    Ending,
    RunningClock,
    SteppedClock,
    StreamOptions,
    StreamOutcome,
    StreamRequest,
    Turn,
    When,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM_SID, CALL_SID, ACCOUNT_SID = "MZ" + "1" * 32, "CA" + "2" * 32, "AC" + "3" * 32
WORDS = speak("my bill is wrong")
TRIGGER_SECONDS = 0.2  # the agent hears ten frames before it answers

LAUNCHER = """
import sys, uvicorn
sys.path.insert(0, sys.argv[1])
from echo_agent import app

async def by_path(scope, receive, send):
    if scope["type"] == "websocket":
        options = scope["path"].strip("/")
        scope = {**scope, "path": "/media-stream", "raw_path": b"/media-stream", "query_string": options.encode()}
    await app(scope, receive, send)

uvicorn.run(by_path, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


class EchoAgent:
    """The agent as a process of its own; what it printed is what it understood."""

    def __init__(self, examples: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._log = log
        with log.open("wb") as out:
            command = [sys.executable, "-u", "-W", "ignore", "-c", LAUNCHER, str(examples), str(self._port)]
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def wait(self) -> None:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=1):
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.1)
        pytest.fail("the echo agent did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def call(
        self, options: str = "mode=echo", *turns: Turn, speed: float = 20.0, seconds: float = 20.0
    ) -> tuple[StreamOutcome, str]:
        """One stream, and what the agent printed about it."""
        seen = len(self._log.read_text())
        request = StreamRequest(
            f"ws://127.0.0.1:{self._port}/{options}", CALL_SID, ACCOUNT_SID, STREAM_SID, {"asapp_callTransferId": "T1"}
        )
        clock = RunningClock() if speed == 1 else SteppedClock(speed)
        outcome = asyncio.run(run_stream(request, CallerVoice(turns), StreamOptions(max_seconds=seconds), clock))
        for _ in range(100):
            said = self._log.read_text()[seen:]
            if "connection closed" in said:
                return outcome, said
            time.sleep(0.05)
        pytest.fail(f"the agent did not see the end of the call: {said}")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoAgent]:
    folder = tmp_path_factory.mktemp("echo")
    version = importlib.metadata.version("streamdouble")
    # A wheel leaves the examples out; the build tool that pip needs to look into an sdist is a dependency of ours.
    fetch = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *fetch, f"streamdouble=={version}"], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sdist:
        sdist.extractall(folder, filter="data")
    running = EchoAgent(next(folder.glob("*/examples")), folder / "log")
    try:
        running.wait()
        yield running
    finally:
        running.stop()


def frames(audio: bytes) -> list[bytes]:
    """The frames that hold anything."""
    cut = (audio[at : at + 160] for at in range(0, len(audio), 160))
    return [frame for frame in cut if frame != b"\xff" * 160]


def test_a_whole_call_is_understood_and_answered(agent: EchoAgent) -> None:
    turns = (
        Turn(When.TIME, 0.1, audio=WORDS),
        Turn(When.TIME, 0.1, digits="5"),
        Turn(When.TIME, 1.0, hang_up=True),
    )
    outcome, said = agent.call("mode=echo", *turns)
    assert outcome.ending is Ending.CALLER_HUNG_UP
    assert frames(outcome.heard) == frames(outcome.spoken) == frames(WORDS)
    assert "connected protocol=Call v1.0.0" in said
    assert f"start   streamSid={STREAM_SID} customParameters={{'asapp_callTransferId': 'T1'}}" in said
    assert "dtmf    digit='5' track='inbound_track'" in said
    assert "mark    echoed back: 'reply-complete'" in said
    assert f"stop    after {outcome.frames_sent} frames" in said
    assert "ignoring" not in said
    assert "abruptly" not in said


def test_a_mark_comes_back_when_the_audio_before_it_was_played_not_when_it_arrived(agent: EchoAgent) -> None:
    outcome, said = agent.call("mode=echo", Turn(When.TIME, 0.0, audio=WORDS), Turn(When.TIME, 1.0, hang_up=True))
    (mark,) = (event for event in outcome.events if event.kind == "mark")
    assert outcome.first_audio is not None
    assert mark.at >= outcome.first_audio + TRIGGER_SECONDS - 0.02
    assert said.index("replied") < said.index("echoed back")


def test_a_known_time_to_think_is_measured(agent: EchoAgent) -> None:
    outcome, _ = agent.call(
        "mode=echo&delay_ms=700", Turn(When.TIME, 0.0, audio=WORDS), Turn(When.TIME, 0.8, hang_up=True), speed=1.0
    )
    assert outcome.first_audio is not None
    # No more than a frame early whatever the machine does; how late it is on a busy one says nothing about the client.
    assert outcome.first_audio + 0.02 >= TRIGGER_SECONDS - 0.02 + 0.7
    assert outcome.first_audio < outcome.duration


def test_an_agent_that_never_speaks(agent: EchoAgent) -> None:
    outcome, said = agent.call("mode=silent", Turn(When.TIME, 0.0, audio=WORDS), seconds=4.0)
    assert (outcome.ending, outcome.first_audio, outcome.frames_received) == (Ending.TIME_UP, None, 0)
    assert frames(outcome.heard) == []
    assert re.search(r"stop    after \d+ frames", said)


def test_an_agent_that_hangs_up(agent: EchoAgent) -> None:
    outcome, _ = agent.call("hangup_after=40")
    assert (outcome.ending, outcome.code, outcome.close_code) == (Ending.SERVER_CLOSED, 31921, 1000)
    assert outcome.duration >= 40 * 0.02


def test_an_agent_that_falls_silent_for_the_caller(agent: EchoAgent) -> None:
    turns = (Turn(When.TIME, 0.0, audio=WORDS), Turn(When.TIME, 1.0, hang_up=True))
    # Near to real time: the ten frames that it is ahead have to be there still when it clears.
    outcome, said = agent.call("clear_after=30", *turns, speed=2.0)
    assert "clear   sending clear" in said
    assert [event.kind for event in outcome.events].count("clear") == 1
    assert len(frames(outcome.heard)) < len(frames(WORDS))
    assert "mark    echoed back: 'reply-complete'" in said, "what was cleared counts as played"


def test_an_agent_that_sends_what_twilio_does_not_know(agent: EchoAgent) -> None:
    outcome, _ = agent.call("garbage_after=20")
    assert (outcome.ending, outcome.code) == (Ending.PROTOCOL, 31924)
    assert "no JSON" in outcome.reason
