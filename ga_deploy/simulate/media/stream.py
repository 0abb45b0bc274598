"""Requests for media streams and their outcomes: the types of the client on Twilio's side of the WebSocket.

`client.run_stream` carries a request out. Times are seconds on the stream's own clock, 0 when the server accepted
the connection; audio is µ-law, 8,000 Hz, mono, one byte a sample, so 160 bytes are 20 ms.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.redact import Secret


@dataclass(frozen=True)
class StreamRequest:
    """One `<Connect><Stream>` as Twilio would carry it out.

    `parameters` are the `<Parameter>`s. With `auth_token` the upgrade request carries `X-Twilio-Signature`.
    """

    url: str
    call_sid: str
    account_sid: str
    stream_sid: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    auth_token: Secret | None = None


class When(StrEnum):
    """The event before a turn of the caller; `Turn.seconds` counts from it."""

    TIME = "time"  # from the end of the caller's previous turn (from the start, for the first)
    AGENT_SPEAKS = "agent_speaks"  # the agent began to speak: a barge-in
    AGENT_DONE = "agent_done"  # the agent has spoken since the caller's previous turn, and is silent now


@dataclass(frozen=True)
class Turn:
    """One thing a caller does: speak (`audio`), press keys (`digits`, `w` is half a second), or hang up.

    Exactly one of the three is set. `text` is the text of the audio, for people to read.
    """

    when: When
    seconds: float
    audio: bytes = b""
    digits: str = ""
    hang_up: bool = False
    text: str = ""


@dataclass(frozen=True)
class CallerVoice:
    """What a caller does on a stream, in order. After the last turn the caller listens until the stream ends."""

    turns: tuple[Turn, ...] = ()


class Person(Protocol):
    """A real person as the caller: 20 ms of µ-law each way, 50 times a second. The methods must not block."""

    def speak(self) -> bytes:
        """Return the next 20 ms of the person's voice."""

    def hear(self, frame: bytes) -> None:
        """Let the person hear 20 ms."""


@dataclass(frozen=True)
class StreamOptions:
    """The line between caller and agent, and how long to wait. `seed` decides everything random.

    `loss` is the share of the caller's frames that never arrive (0 to 1), `jitter_ms` the largest extra delay of one,
    `noise_dbfs` the level of the noise around the caller (None: a quiet room). Jitter comes in steps of
    20 ms, a frame. After `max_seconds` of stream time the caller hangs up. `connect_timeout` is for how many seconds of
    real time a server may wait before it accepts the stream, and may stop reading.
    """

    seed: int = 0
    loss: float = 0.0
    jitter_ms: float = 0.0
    noise_dbfs: float | None = None
    max_seconds: float = 120.0
    connect_timeout: float = 5.0


class Ending(StrEnum):
    """How a stream ended, and Twilio's error code for it where there is one."""

    SERVER_CLOSED = "server_closed"  # the agent ended the stream normally; Twilio logs 31921
    CALLER_HUNG_UP = "caller_hung_up"
    TIME_UP = "time_up"  # after `max_seconds` the caller gave up
    REFUSED = "refused"  # 31920: the handshake got another answer than 101
    UNREACHABLE = "unreachable"  # 31901: no connection (DNS, TCP, TLS, or too slow)
    BROKEN = "broken"  # 31903: the connection broke without a close
    PROTOCOL = "protocol"  # 31924: the server sent a message that Twilio does not understand


@dataclass(frozen=True)
class StreamEvent:
    """Something sent, received or heard; `kind` is for example connected, audio, silence, mark, clear or close."""

    at: float
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Lateness:
    """How late the client itself sent its frames, in milliseconds: shows whether the tester was too slow."""

    frames: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Lateness:
        """Return median, 99th percentile and worst of single delays."""
        if not milliseconds:
            return cls()
        ordered = sorted(milliseconds)
        count = len(ordered)
        return cls(count, ordered[count // 2], ordered[min(count - 1, count * 99 // 100)], ordered[-1])


@dataclass(frozen=True)
class BargeIn:
    """The caller interrupted the agent at `at`; the agent was silent `silent_after` seconds later (None: never)."""

    at: float
    silent_after: float | None


@dataclass(frozen=True)
class StreamOutcome:
    """The outcome of a stream. Nothing that a server does raises an exception.

    `code` is Twilio's error code (None for an ending without one), `reason` says more in words, `status` is the HTTP
    status of a refused handshake and `close_code` that of the WebSocket. `heard` is the agent's audio and
    `spoken` the caller's, from second 0, equally long. `first_audio` is when the agent was first heard. `gaps` are
    the moments at which its audio ran out in the middle of speech, each with its length.
    """

    ending: Ending
    code: int | None = None
    reason: str = ""
    status: int | None = None
    close_code: int | None = None
    duration: float = 0.0
    heard: bytes = b""
    spoken: bytes = b""
    first_audio: float | None = None
    barge_ins: tuple[BargeIn, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    events: tuple[StreamEvent, ...] = ()
    frames_sent: int = 0
    frames_received: int = 0
    lateness: Lateness = Lateness()

    @property
    def opened(self) -> bool:
        """Whether the server accepted the stream at all."""
        return self.ending not in {Ending.REFUSED, Ending.UNREACHABLE}


class StreamClock(Protocol):
    """The time of a stream, which may run faster than real time where nobody listens."""

    @property
    def speed(self) -> float:
        """Seconds of the stream in one second of real time."""

    def now(self) -> float:
        """Stream seconds since any fixed moment."""

    async def sleep_until(self, moment: float) -> None:
        """Return when `now()` has reached `moment`; other tasks get their turn in any case."""


class RunningClock:
    """Real time."""

    speed = 1.0

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Return when `now()` has reached `moment`."""
        await asyncio.sleep(max(0.0, moment - self.now()))


class SteppedClock:
    """At most `speed` times as fast as real time; each stream has its own clock.

    It runs only while the stream sleeps. When the machine is busy elsewhere, the stream's time stands still, so that a
    slow tester does not look like a slow agent. It does not show how late the stream is.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._now = 0.0

    def now(self) -> float:
        """Seconds slept so far."""
        return self._now

    async def sleep_until(self, moment: float) -> None:
        """Sleep a `speed`-th of what is left until `moment`."""
        await asyncio.sleep(max(0.0, (moment - self._now) / self.speed))
        self._now = max(self._now, moment)
