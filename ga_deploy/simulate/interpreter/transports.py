"""What a simulated call needs from outside: one function that sends HTTP requests, and one that runs media streams.

They are the only links between the call and everything else; the caller of `place_call` passes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ga_deploy.redact import Secret
    from ga_deploy.simulate.interpreter.record import StreamLeg


class WebError(Exception):
    """No HTTP answer came. `code` is Twilio's: 11205 connect, 11210 host, 11220 TLS, 11200 anything else."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class WebRequest:
    """A request as Twilio sends it.

    `form` is the body of a POST and empty for GET, whose parameters are in the URL. `ahead`: seconds by which the call
    is ahead of the machine's clock, because waiting was skipped; for functions that measure time by the clock.
    """

    method: str
    url: str
    form: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    ahead: float = 0.0


@dataclass(frozen=True)
class WebReply:
    """An HTTP answer; header names in lower case.

    `logs` are the function's log lines, if they are available.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    logs: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamOrder:
    """A `<Connect><Stream>` to carry out.

    `hang_up_after` counts from the stream's start; `number` from 1 in a call.
    """

    url: str
    name: str
    parameters: Mapping[str, str]
    account_sid: str
    call_sid: str
    stream_sid: str
    number: int
    hang_up_after: float | None
    on_start: Callable[[], None]


class OpenStream(Protocol):
    """Runs a media stream to its end. Raises nothing for what the agent's side does: the `StreamLeg` has it."""

    def __call__(self, order: StreamOrder) -> Awaitable[StreamLeg]:
        """Return how the stream went."""


class Fetch(Protocol):
    """Sends one request and follows no redirect. Raises WebError when no answer comes."""

    def __call__(self, request: WebRequest) -> Awaitable[WebReply]:
        """Return the answer."""


@dataclass(frozen=True)
class Transports:
    """`token` signs requests as Twilio does; without one they go out unsigned."""

    fetch: Fetch
    open_stream: OpenStream
    token: Secret | None = None
