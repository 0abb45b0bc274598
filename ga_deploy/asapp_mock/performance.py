"""A script played on one media stream, as a state machine without I/O.

Its clock is the caller's audio: the timestamps of the media messages (Twilio docs: Media Streams, messages). So a
stream that runs faster than real time is the same conversation and takes less time. The methods return the messages
to send.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from ga_deploy import g711
from ga_deploy.asapp_mock.script import Ending, Listen, Pause, Say, Script
from ga_deploy.asapp_mock.voice import speak

if TYPE_CHECKING:
    from collections.abc import Iterator

# The caller counts as speaking after this many loud frames in a row, and as finished after this much silence.
_LOUD_FRAMES = 6
_QUIET_MS = 700


class Departure(Enum):
    """How the agent leaves the socket."""

    CLOSE = "close"
    ABORT = "abort"


Output = str | Departure


@dataclass
class Heard:
    """What the agent heard of the caller."""

    frames: int = 0
    loud_frames: int = 0
    digits: str = ""
    interruptions: int = 0


@dataclass
class Performance:
    """Call `begin` once, then `hear` for each message. Both return the messages to send, in order."""

    script: Script
    stream_sid: str
    heard: Heard = field(default_factory=Heard)
    left: bool = False
    _step: int = -1
    _now: int = 0
    _since: int = 0
    _loud_run: int = 0
    _last_loud: int | None = None
    _keys: int = 0
    _awaited: str = ""

    def begin(self) -> list[Output]:
        """Start with the first step."""
        outputs: list[Output] = []
        if self.script.garbage:
            outputs.append(json.dumps({"event": "speak", "streamSid": self.stream_sid, "text": "hello"}))
        return [*outputs, *self._advance()]

    def hear(self, message: dict[str, Any]) -> list[Output]:
        """Handle one message from Twilio's side."""
        if self.left:
            return []
        event = message.get("event")
        if event == "media":
            return self._hear_audio(message["media"])
        if event == "mark" and message["mark"]["name"] == self._awaited:
            return self._advance()
        if event == "dtmf":
            self.heard.digits += message["dtmf"]["digit"]
            self._keys += 1
            step = self._current()
            if isinstance(step, Listen) and self._keys >= step.digits:
                return self._advance()
        return []

    def _hear_audio(self, media: dict[str, Any]) -> list[Output]:
        self._now = int(media["timestamp"])
        try:
            loud = g711.is_loud(base64.b64decode(media["payload"]))
        except binascii.Error:
            loud = False
        self.heard.frames += 1
        self.heard.loud_frames += loud
        self._loud_run = self._loud_run + 1 if loud else 0
        if self._loud_run >= _LOUD_FRAMES:
            self._last_loud = self._now
        if self.script.drop_after and self._now >= self.script.drop_after * 1000:
            return self._leave(Departure.ABORT)
        return self._look_at_the_time()

    def _look_at_the_time(self) -> list[Output]:
        step = self._current()
        waited = self._now - self._since
        if isinstance(step, Say):
            if self._awaited == "" and waited >= 1000 * len(speak(step.text)) / g711.SAMPLE_RATE:
                return self._advance()
            if step.interruptible and self._awaited and self._loud_run == _LOUD_FRAMES:
                self.heard.interruptions += 1
                # Do not wait for the mark: Twilio sends it back after `clear` (Twilio docs), but not every client does.
                return [json.dumps({"event": "clear", "streamSid": self.stream_sid}), *self._advance()]
        elif isinstance(step, Listen):
            spoken = self._last_loud is not None and self._last_loud >= self._since
            quiet = self._now - (self._last_loud or 0)
            if (spoken and quiet >= _QUIET_MS) or (not spoken and not self._keys and waited >= step.seconds * 1000):
                return self._advance()
            if self._keys and waited >= 3 * step.seconds * 1000:
                return self._advance()
        elif isinstance(step, Pause) and waited >= step.seconds * 1000:
            return self._advance()
        return []

    def _advance(self) -> list[Output]:
        self._step += 1
        self._since, self._keys, self._awaited = self._now, 0, ""
        step = self._current()
        if isinstance(step, Say) and not self.script.silent:
            self._awaited = f"step-{self._step}"
            return [*self._play(speak(step.text)), self._mark(self._awaited)]
        return [] if step is not None else self._finish()

    def _finish(self) -> list[Output]:
        if self.script.ending is Ending.STAY:
            return []
        return self._leave(Departure.ABORT if self.script.ending is Ending.DROP else Departure.CLOSE)

    @property
    def steps_begun(self) -> int:
        """How many steps the agent has begun."""
        return min(self._step + 1, len(self.script.steps))

    def _leave(self, departure: Departure) -> list[Output]:
        self.left = True
        return [departure]

    def _current(self) -> Say | Listen | Pause | None:
        return self.script.steps[self._step] if self._step < len(self.script.steps) else None

    def _play(self, audio: bytes) -> Iterator[str]:
        length = self.script.chunk_ms * g711.SAMPLE_RATE // 1000
        for at in range(0, len(audio), length):
            payload = base64.b64encode(audio[at : at + length]).decode()
            yield f'{{"event":"media","streamSid":"{self.stream_sid}","media":{{"payload":"{payload}"}}}}'

    def _mark(self, name: str) -> str:
        return json.dumps({"event": "mark", "streamSid": self.stream_sid, "mark": {"name": name}})
