"""A person at the machine, with a stand-in for the sound hardware: a `sounddevice` that a thread of its own drives."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from ga_deploy.asapp_mock.script import Listen, Say, Script
from ga_deploy.asapp_mock.server import MockAsapp
from ga_deploy.asapp_mock.voice import speak
from ga_deploy.errors import DeployError
from ga_deploy.simulate.media.audio import find_speech
from ga_deploy.simulate.media.client import run_stream
from ga_deploy.simulate.media.microphone import Microphone
from ga_deploy.simulate.media.stream import StreamOptions, StreamOutcome, StreamRequest

if TYPE_CHECKING:
    from pathlib import Path

# PortAudio's behaviour as far as it matters: a thread asks for 20 ms and brings 20 ms, over and over.
HARDWARE = """
import threading, time

class PortAudioError(Exception):
    pass

class RawStream:
    played = b""
    broken = False

    def __init__(self, *, samplerate, blocksize, channels, dtype, callback):
        if RawStream.broken:
            raise PortAudioError("no default input device")
        assert (samplerate, blocksize, channels, dtype) == (8000, 160, 1, "int16")
        self.callback, self.running = callback, True
        self.thread = threading.Thread(target=self.drive)

    def drive(self):
        while self.running:
            heard = bytearray(320)
            self.callback(b"\\x00\\x40\\x00\\xc0" * 80, memoryview(heard), 160, None, None)
            RawStream.played += bytes(heard)
            time.sleep(0.02)

    def start(self):
        self.thread.start()

    def stop(self):
        self.running = False
        self.thread.join()

    def close(self):
        pass
"""


@pytest.fixture
def hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (tmp_path / "sounddevice.py").write_text(HARDWARE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    import sounddevice  # type: ignore[import-not-found, unused-ignore]

    return sounddevice


async def talk() -> StreamOutcome:
    mock = MockAsapp("id", "secret", script=Script("talk", (Say("Hello.", interruptible=False), Listen(0.5))))
    base_url = await mock.start()
    url = f"{base_url.replace('http', 'ws')}/mg-twilio-genagent/twilio-media/{mock.issue_token()}"
    with Microphone() as person:
        request = StreamRequest(url, "CA1", "AC1", "MZ1")
        outcome = await run_stream(request, options=StreamOptions(max_seconds=1.5), person=person)
    await mock.stop()
    return outcome


def test_a_person_is_heard_and_hears(hardware: object) -> None:
    outcome = asyncio.run(talk())
    assert sum(speech.seconds for speech in find_speech(outcome.spoken)) > 1.0
    played = hardware.RawStream.played  # type: ignore[attr-defined]
    assert len(played) >= 2 * 8000
    assert any(played), "the loudspeaker got the agent's voice"
    assert speak("Hello.")[:1600] in outcome.heard


def test_no_microphone(hardware: object) -> None:
    hardware.RawStream.broken = True  # type: ignore[attr-defined]
    with pytest.raises(DeployError, match="microphone") as refused, Microphone():
        pass
    assert refused.value.why == "no default input device"


def test_no_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeployError, match="microphone") as refused:
        Microphone()
    assert "sounddevice" in refused.value.fix
