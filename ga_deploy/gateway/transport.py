"""One HTTP session for everything that leaves the machine: TLS, proxies, timeouts, retries, and a report of each call.

Knows nothing of Twilio's products; credentials are in a request only if its maker put them there. Long because the
life of one request, from the gate to the report of its end, is read best in one place.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import requests
import urllib3

from ga_deploy.events import ApiCall
from ga_deploy.gateway.deadline import (
    PunctualAdapter,
    checked_before_sending,
    refuse_outdated,
    whole_answer_within,
)
from ga_deploy.gateway.failures import Failure, classify, give_up
from ga_deploy.gateway.gate import Gate
from ga_deploy.gateway.problems import read_request_id
from ga_deploy.gateway.retries import Clock, Retries, SystemClock, read_retry_after
from ga_deploy.gateway.silence import Silence
from ga_deploy.gateway.timeouts import Patience, Timeouts
from ga_deploy.gateway.trust import TrustingAdapter, choose_proxies, open_tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ga_deploy.errors import Unreachable

# A page of a thousand phone numbers is about 2 MB; a function's source at most 1 MB.
LARGEST_ANSWER = 64 * 2**20


@dataclass(frozen=True)
class Request:
    """One HTTP request. `repeatable`: sending it twice leaves the world as sending it once does.

    `within`: seconds for it in all, its repeats included, where the caller has less than usual. `once`: whatever comes
    of it, it is not sent again. `guarded`: unless it only reads, what `Transport.guard_writes` names may stop it.
    """

    method: str
    url: str
    params: Mapping[str, object] | None = None
    body: object = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    repeatable: bool = True
    once: bool = False
    wants_json: bool = False
    patience: Patience = "read"
    within: float | None = None
    guarded: bool = True
    what: str = "send a request"


@dataclass(frozen=True)
class Reply:
    """An answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    # When its headers had come, by the transport's clock.
    received: float = 0.0

    @property
    def request_id(self) -> str | None:
        """Twilio's id for the request."""
        return read_request_id(self.headers)

    @property
    def server_time(self) -> float | None:
        """The server's clock when it answered, in seconds since the epoch."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (TypeError, ValueError, OverflowError):
            return None

    @cached_property
    def fields(self) -> dict[str, object] | None:
        """The JSON object that the body is; None if it is anything else. What it should be decides, not its label."""
        try:
            payload = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return payload if isinstance(payload, dict) else None


class Transport:
    """Sends requests; thread-safe. `close` it, or use it in a `with`.

    Repeats what is safe to repeat: 429 always (Twilio never processed it), a connection that did not come about
    always, and for repeatable requests also 5xx, dropped connections, timeouts and unreadable answers. Every wait has
    an end, by `Timeouts`: each answer, all repeats of a request together, and whatever is asked while nothing whole
    comes back.

    Raises Unreachable when no answer came at all, DeployError for an unusable CA variable; every answer with a status
    is returned.
    """

    def __init__(
        self,
        *,
        on_call: Callable[[ApiCall], None] | None = None,
        concurrency: int = 4,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._retries = retries or Retries()
        self.timeouts = timeouts or Timeouts()
        self._silence = Silence(self._clock, self.timeouts.silence)
        self._on_call = on_call
        self._closed = threading.Event()
        self._ahead = 0.0
        self._guard: Callable[[], None] = lambda: None
        self.gate = Gate(concurrency)
        self._session = requests.Session()
        # With trust_env requests would also add passwords from ~/.netrc and its own idea of the CA bundle.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._environ = os.environ if environ is None else environ
        self._pool_size = max(8, concurrency)
        self._session.mount("http://", PunctualAdapter(pool_connections=self._pool_size, pool_maxsize=self._pool_size))
        self._mounting = threading.Lock()
        self._speaks_tls = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; nothing is sent afterwards."""
        self._closed.set()
        self._session.close()

    @property
    def clock(self) -> Clock:
        """The clock that waits are counted by."""
        return self._clock

    def guard_writes(self, check: Callable[[], None]) -> None:
        """Call `check` before every attempt to write from now on, repeats included; it raises to stop the request."""
        self._guard = check

    def server_now(self) -> datetime:
        """Return the time by Twilio's clock, to a second or two; by ours while Twilio has not said anything yet."""
        return datetime.fromtimestamp(self._clock.wall() + self._ahead, UTC)

    def pause(self, attempt: int) -> None:
        """Wait as after a failed `attempt`, outside the gate; for callers that look before they try again."""
        with self._silence.asking():
            self._clock.sleep(max(0.0, min(self._retries.wait(attempt), self._silence.left)))

    def send(self, request: Request) -> Reply:
        """Send, repeat where that is safe, and return the last answer."""
        limit = min(self._retries.deadline, request.within or self._retries.deadline)
        end = self._clock.monotonic() + limit
        attempt = 0
        with self._silence.asking():
            while True:
                attempt += 1
                with self.gate.passage() as place:
                    outcome = self._try(request, attempt, end)
                    # A deployed function has its own limit, which says nothing of the account's on requests to the API.
                    if isinstance(outcome, Reply) and request.patience != "site":
                        place.answered(outcome.status, outcome.headers)
                wait = self._wait_before_repeat(request, outcome, attempt)
                left = min(end - self._clock.monotonic(), self._silence.left)
                if wait is None or wait >= left or self._closed.is_set():
                    break
                self._clock.sleep(wait)
        if isinstance(outcome, Failure):
            raise self._no_answer(request, outcome, attempt)
        return outcome

    def _wait_before_repeat(self, request: Request, outcome: Reply | Failure, attempt: int) -> float | None:
        """Return the seconds to wait before the next try, None if there is to be none."""
        asked: float | None = None
        if isinstance(outcome, Failure):
            most = self._retries.attempts if outcome.sent else self._retries.connects
            again = outcome.transient and (request.repeatable or not outcome.sent)
        elif outcome.status == 429:
            again, most = True, self._retries.throttled
        else:
            again = request.repeatable and (outcome.status in {500, 502, 503, 504} or _is_unreadable(request, outcome))
            most = self._retries.attempts
        if not again or attempt >= most or request.once:
            return None
        if isinstance(outcome, Reply):
            asked = read_retry_after(outcome.headers.get("retry-after"), outcome.server_time or self._clock.wall())
        return self._retries.wait(attempt, asked)

    def _try(self, request: Request, attempt: int, end: float) -> Reply | Failure:
        began = self._clock.monotonic()
        allowed = self._silence.left_for_one_try
        if allowed <= 0:
            return give_up(request.url, self.timeouts.silence)
        # At least a second, for whoever had to wait for a free place.
        until = began + min(self.timeouts.answer(request.patience), max(1.0, end - began), allowed)
        outcome: Reply | Failure
        try:
            outcome = reply = self._exchange(request, until)
            if not _is_unreadable(request, reply):
                self._silence.answered()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
            outcome = classify(problem, request.url)
        self._report(request, outcome, attempt, self._clock.monotonic() - began)
        return outcome

    def _exchange(self, request: Request, until: float) -> Reply:
        if self._closed.is_set():
            raise requests.exceptions.InvalidURL("the connection to Twilio was closed")
        if request.url.startswith("https:"):
            self._learn_tls()
        prepared = self._session.prepare_request(
            requests.Request(
                request.method,
                request.url,
                params=dict(request.params) if request.params else None,
                data=request.body,
                headers=dict(request.headers),
                auth=request.auth,
            )
        )

        def left() -> float:
            return until - self._clock.monotonic()

        limit = left()
        with checked_before_sending(lambda: self._check(request)), whole_answer_within(left):
            response = self._session.send(
                prepared,
                stream=True,
                timeout=(min(self.timeouts.connect, limit), min(self.timeouts.pause(request.patience), limit)),
                allow_redirects=False,
                proxies=choose_proxies(prepared.url or request.url),
            )
        received = self._clock.monotonic()
        try:
            body = self._read(response)
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        reply = Reply(response.status_code, headers, body, received)
        if reply.server_time is not None:
            self._ahead = reply.server_time - self._clock.wall()
        return reply

    def _check(self, request: Request) -> None:
        """Raise if the request must not be sent any more: without a lease, or on what was read too long ago."""
        if request.guarded and request.method != "GET":
            self._guard()
        refuse_outdated(self._clock.monotonic())

    def _learn_tls(self) -> None:
        """Load whom to trust, once, and only if TLS is spoken: it takes longer than a whole command to the emulator."""
        with self._mounting:
            if not self._speaks_tls:
                context = open_tls_context(self._environ)
                self._session.mount("https://", TrustingAdapter(context, self._pool_size))
                self._speaks_tls = True

    def _read(self, response: requests.Response) -> bytes:
        """Return the body. Its bytes have to come in time (`whole_answer_within`); one that never ends is an error."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(65536, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise requests.exceptions.ContentDecodingError("the answer is larger than any of Twilio's")
        return b"".join(chunks)

    def _report(self, request: Request, outcome: Reply | Failure, attempt: int, seconds: float) -> None:
        if self._on_call is None:
            return
        parts = urlsplit(request.url)
        # On the emulator one address serves every site; the name the user knows is the one in `Host`.
        host = request.headers.get("Host") or parts.netloc.rpartition("@")[2]
        self._on_call(
            ApiCall(
                method=request.method,
                host=host,
                path=parts.path,
                status=0 if isinstance(outcome, Failure) else outcome.status,
                milliseconds=round(seconds * 1000, 1),
                request_id=None if isinstance(outcome, Failure) else outcome.request_id,
                attempt=attempt,
                note=outcome.kind if isinstance(outcome, Failure) else "",
            )
        )

    def _no_answer(self, request: Request, failure: Failure, attempts: int) -> Unreachable:
        tries = f" ({attempts} tries)" if attempts > 1 else ""
        return failure.as_error(f"cannot {request.what}{tries}")


def _is_unreadable(request: Request, reply: Reply) -> bool:
    return request.wants_json and reply.status < 300 and reply.fields is None
