"""The caller on a stream, frame by frame: what the caller does next, and what the caller hears of the agent."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field

from ga_deploy import g711
from ga_deploy.simulate.media.stream import BargeIn, CallerVoice, StreamEvent, Turn, When

# A shorter pause does not end a stretch of speech. If the buffer ran empty, such a pause is a gap in the speech.
_PAUSE = 0.3
_QUIET = bytes([g711.SILENCE]) * g711.FRAME_BYTES
_KEY_SECONDS = 0.25
_WAIT_KEY_SECONDS = 0.5
_AUDIBLE_DBFS = -40.0


@dataclass
class AgentEar:
    """Follows the agent's voice in what the caller hears. Call `take` once for each frame."""

    first_audio: float | None = None
    events: list[StreamEvent] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    barge_ins: list[BargeIn] = field(default_factory=list)
    speaking_since: float | None = None
    last_heard: float = -math.inf
    _ran_dry: float | None = None
    _cut: bool = False

    def take(self, frame: bytes, at: float, *, playing: bool) -> None:
        """Hear one frame. `playing`: it came from the buffer; if not, the buffer was empty."""
        audible = frame != _QUIET and g711.is_loud(frame, threshold_dbfs=_AUDIBLE_DBFS, share=0.05)
        if audible:
            self._note_gap(at)
            self.last_heard = at
            if self.first_audio is None:
                self.first_audio = at
            if self.speaking_since is None:
                self.speaking_since = at
                self.events.append(StreamEvent(at, "audio"))
        elif self.speaking_since is not None and at - self.last_heard >= _PAUSE:
            self.speaking_since = self._ran_dry = None
            self.events.append(StreamEvent(self.last_heard, "silence"))
            self._settle_barge_in()
        if playing:
            self._ran_dry = None if audible else self._ran_dry
        elif self._ran_dry is None and self.speaking_since is not None and not self._cut:
            self._ran_dry = at

    def speak_over(self, at: float) -> None:
        """Record that the caller begins to speak. It is a barge-in if the agent is speaking."""
        if self.speaking_since is not None:
            self.barge_ins.append(BargeIn(at, None))
            self.events.append(StreamEvent(at, "barge-in"))

    def cut(self) -> None:
        """Record that the agent itself emptied the buffer: the silence that follows is intended."""
        self._cut = True

    def finish(self) -> None:
        """Record the end of speech that goes on when the stream ends."""
        if self.speaking_since is not None:
            self.events.append(StreamEvent(self.last_heard, "silence"))

    def _note_gap(self, at: float) -> None:
        if self._ran_dry is not None and self.speaking_since is not None:
            self.gaps.append((self._ran_dry, at - self._ran_dry))
        self._ran_dry, self._cut = None, False

    def _settle_barge_in(self) -> None:
        if self.barge_ins and self.barge_ins[-1].silent_after is None:
            began = self.barge_ins[-1].at
            self.barge_ins[-1] = BargeIn(began, max(0.0, self.last_heard + g711.FRAME_SECONDS - began))


@dataclass(frozen=True)
class Act:
    """What the caller does in one frame: 20 ms of voice or silence, a key, or a hang-up."""

    frame: bytes = _QUIET
    digit: str = ""
    hang_up: bool = False
    begins_to_speak: bool = False


class Caller:
    """Carries out a `CallerVoice`: call `act` once for each frame."""

    def __init__(self, voice: CallerVoice, ear: AgentEar) -> None:
        self._turns = deque(voice.turns)
        self._ear = ear
        self._frames: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._next_key = 0.0
        self._free_since = 0.0

    def act(self, at: float) -> Act:
        """Return what the caller does at `at` seconds."""
        begins = False
        if not self._frames and not self._keys and self._turns and self._is_time_for(self._turns[0], at):
            turn = self._turns.popleft()
            if turn.hang_up:
                return Act(hang_up=True)
            self._frames.extend(_split(turn.audio))
            self._keys.extend(turn.digits)
            self._next_key = at
            begins = bool(turn.audio)
        if self._frames or self._keys:
            self._free_since = at + g711.FRAME_SECONDS
        frame = self._frames.popleft() if self._frames else _QUIET
        return Act(frame, digit=self._take_key(at), begins_to_speak=begins)

    def _take_key(self, at: float) -> str:
        if not self._keys or at < self._next_key:
            return ""
        key = self._keys.popleft()
        self._next_key = at + (_WAIT_KEY_SECONDS if key == "w" else _KEY_SECONDS)
        return "" if key == "w" else key

    def _is_time_for(self, turn: Turn, at: float) -> bool:
        match turn.when:
            case When.TIME:
                since: float | None = self._free_since
            case When.AGENT_SPEAKS:
                since = self._ear.speaking_since
            case When.AGENT_DONE:
                spoke = self._ear.last_heard >= self._free_since and self._ear.speaking_since is None
                since = self._ear.last_heard if spoke else None
        # Half a frame less, because multiples of 20 ms are not exact.
        return since is not None and at - since >= turn.seconds - g711.FRAME_SECONDS / 2


def _split(audio: bytes) -> list[bytes]:
    size = g711.FRAME_BYTES
    return [audio[at : at + size].ljust(size, bytes([g711.SILENCE])) for at in range(0, len(audio), size)]


class Line:
    """The telephone line: it adds noise to the caller's frames, loses some and delays others, as the seed decides."""

    def __init__(self, *, seed: int, loss: float, jitter_ms: float, noise_dbfs: float | None) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a repeatable line, not cryptography
        self._loss = loss
        self._jitter = jitter_ms / 1000
        self._noise = _make_noise(self._dice, noise_dbfs) if noise_dbfs is not None else ()
        self._late: deque[tuple[float, int, bytes]] = deque()

    def carry(self, number: int, frame: bytes, at: float) -> list[tuple[int, bytes]]:
        """Take the caller's frame number `number` and return the frames that arrive now, in order."""
        if self._noise:
            noise = self._noise[number % len(self._noise)]
            frame = noise if frame == _QUIET else g711.mix(frame, noise)
        if self._loss == 0 and self._jitter == 0:
            return [(number, frame)]
        if self._dice.random() >= self._loss:
            due = at + self._dice.uniform(0, self._jitter)
            # A late frame delays the next ones too: a jitter buffer keeps the order.
            self._late.append((max(due, self._late[-1][0] if self._late else due), number, frame))
        arrived = []
        while self._late and self._late[0][0] <= at:
            _, late_number, late_frame = self._late.popleft()
            arrived.append((late_number, late_frame))
        return arrived


def _make_noise(dice: random.Random, level_dbfs: float) -> tuple[bytes, ...]:
    """Return two seconds of noise as in a busy room, with more low frequencies than high ones."""
    count = 2 * g711.SAMPLE_RATE
    samples, low = [], 0.0
    for _ in range(count):
        low = 0.85 * low + dice.gauss(0, 1)
        samples.append(low)
    rms = math.sqrt(sum(sample * sample for sample in samples) / count)
    scale = g711.FULL_SCALE * 10 ** (level_dbfs / 20) / rms
    return tuple(_split(g711.encode(max(-32768, min(32767, int(sample * scale))) for sample in samples)))
