"""When no usable answer came: the kind of failure, whether the request may have arrived, and our words for it."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3

from ga_deploy.errors import EmulatorGone, Unreachable
from ga_deploy.gateway.endpoints import is_loopback
from ga_deploy.gateway.trust import CA_VARIABLES
from ga_deploy.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

# A connection that broke off while an answer was awaited. http.client closes it before urllib3 looks, which then takes
# it for one that never got through the proxy.
_BROKEN_OFF = (http.client.HTTPException, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


@dataclass(frozen=True)
class Failure:
    """A failed attempt. `sent` is False only if the request certainly never reached the server.

    `emulator` is the address of an emulator that takes no connections, empty for every other failure.
    """

    kind: str
    sent: bool
    transient: bool
    why: str
    fix: str
    emulator: str = ""

    def as_error(self, what: str) -> Unreachable:
        """Return the error to raise, with `what` was tried."""
        problem: Unreachable
        if self.emulator:
            problem = EmulatorGone(
                f"the emulator at {self.emulator} has ended while this command was at work",
                why=f"{what}: {self.why}",
                fix="start it again with `ga-deploy emulator`, or unset GA_DEPLOY_EMULATOR; then run the command again",
            )
        else:
            problem = Unreachable(what, why=self.why, fix=self.fix)
        problem.maybe_processed = self.sent
        return problem


def classify(problem: Exception, url: str) -> Failure:
    """Return what an exception of requests or urllib3 means for a request to `url`."""
    host = urlsplit(url).hostname or url
    causes = list(_causes(problem))
    certificate = next((c for c in causes if isinstance(c, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return Failure(
            "certificate",
            sent=False,
            transient=False,
            why=f"the TLS certificate shown for {host} is not trusted: {certificate.verify_message}",
            fix=f"if a proxy of your network inspects TLS, name its CA file in one of {', '.join(CA_VARIABLES)}",
        )
    if isinstance(problem, requests.exceptions.ProxyError) and not any(isinstance(c, _BROKEN_OFF) for c in causes):
        return Failure(
            "proxy",
            sent=False,
            transient=True,
            why=redact(f"the proxy for {host} refused or could not be reached: {_last_words(causes)}"),
            fix=f"check HTTPS_PROXY, or put {host} into NO_PROXY",
        )
    if any(isinstance(c, socket.gaierror | urllib3.exceptions.NameResolutionError) for c in causes):
        return Failure(
            "name",
            sent=False,
            transient=True,
            why=f"the name {host} cannot be resolved",
            fix="check the network and DNS; behind a proxy set HTTPS_PROXY",
        )
    if isinstance(problem, requests.exceptions.ConnectTimeout) or any(
        isinstance(c, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.NewConnectionError) for c in causes
    ):
        return Failure(
            "connect",
            sent=False,
            transient=True,
            why=f"no connection to {host}: {_last_words(causes)}",
            fix="check the network; behind a proxy set HTTPS_PROXY",
            emulator=_name_emulator(url),
        )
    if isinstance(problem, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | ValueError):
        return Failure(
            "setting",
            sent=False,
            transient=False,
            # What urllib3 could not parse may be the middle of a password.
            why="the proxy's URL cannot be parsed" if "Failed to parse" in str(problem) else redact(str(problem)),
            fix="check HTTPS_PROXY and ALL_PROXY (SOCKS proxies need the package PySocks)",
        )
    if any(isinstance(c, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError | TimeoutError) for c in causes):
        return Failure(
            "timeout",
            sent=True,
            transient=True,
            why=f"{host} accepted the request and did not answer in time",
            fix="run the command again; what was made is found and used",
        )
    return Failure(
        "dropped",
        sent=True,
        transient=True,
        why=f"the connection to {host} broke off: {_last_words(causes)}",
        fix="run the command again; what was made is found and used",
    )


def give_up(url: str, seconds: float) -> Failure:
    """Return what is told of a request that is not sent, since nothing whole was answered for so many seconds."""
    return Failure(
        "silence",
        sent=False,
        transient=False,
        why=f"{urlsplit(url).hostname or url} gave no whole answer to anything for {seconds:.0f} s",
        fix="check the network, then run the command again: it goes on from there",
    )


def _name_emulator(url: str) -> str:
    """Return the address if it is an emulator's: nothing else is spoken to without TLS, and that on loopback only."""
    parts = urlsplit(url)
    return f"http://{parts.netloc}" if parts.scheme == "http" and is_loopback(parts.hostname or "") else ""


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything it was made of; requests hides causes in `args` and urllib3 in `reason`."""
    waiting: list[object] = [problem]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _last_words(causes: list[BaseException]) -> str:
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror
    for cause in reversed(causes):
        text = str(cause).strip()
        if text and "object at 0x" not in text:
            return redact(text)[:200]
    return type(causes[0]).__name__
