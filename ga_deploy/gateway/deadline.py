"""A time by which an answer has to be there whole, held where bytes are read.

A read timeout counts from one byte to the next, so a server that sends a header line every few seconds never meets it.
Here each read of the socket gets what is left of the whole time: for status line, headers and body, for the answer of a
proxy, with and without TLS.
"""

from __future__ import annotations

import http.client
import io
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from ga_deploy.errors import Outdated

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from urllib3 import HTTPConnectionPool, PoolManager

# Seconds that are left for the exchange that this thread is in; urllib3 makes the objects that need to know.
_LEFT: ContextVar[Callable[[], float] | None] = ContextVar("left", default=None)


# Called right before bytes of the exchange that this thread is in are sent.
_CHECK: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def checked_before_sending(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` now and again right before this thread sends anything on a connection; it raises to stop it.

    Connecting may take seconds, in which what was checked before may have become wrong.
    """
    check()
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


# The moment after which this thread sends nothing more, by the transport's clock.
_NOT_AFTER: ContextVar[float | None] = ContextVar("not_after", default=None)


@contextmanager
def sent_before(moment: float | None) -> Iterator[None]:
    """Let requests of this thread be refused with Outdated once `moment` is over, their repeats included."""
    token = _NOT_AFTER.set(moment)
    try:
        yield
    finally:
        _NOT_AFTER.reset(token)


def refuse_outdated(now: float) -> None:
    """Raise Outdated if this thread's request comes too late."""
    moment = _NOT_AFTER.get()
    if moment is not None and now > moment:
        raise Outdated("what was read is too old to write on", why="it was read too long ago", fix="read it again")


@contextmanager
def whole_answer_within(left: Callable[[], float]) -> Iterator[None]:
    """Let every answer that begins in this thread end with TimeoutError once `left()` seconds are not above zero."""
    token = _LEFT.set(left)
    try:
        yield
    finally:
        _LEFT.reset(token)


class PunctualAdapter(HTTPAdapter):
    """Connections, direct ones and those through proxies, that obey `whole_answer_within`."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Make direct connections punctual."""
        super().init_poolmanager(connections, maxsize, block, **options)
        _make_punctual(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make connections through a proxy punctual."""
        manager = super().proxy_manager_for(proxy, **options)
        _make_punctual(manager)
        return manager


class _PunctualReader(io.RawIOBase):
    """Reads a socket, each time for no longer than is left of the whole."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, left: Callable[[], float]) -> None:
        self._raw = raw
        self._sock = sock
        self._left = left
        self._pause = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._left()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left if self._pause is None else min(left, self._pause))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PunctualResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        left = _LEFT.get()
        if left is not None:
            self.fp = io.BufferedReader(_PunctualReader(self.fp.detach(), sock, left))


class _CheckedSending:
    """What a connection sends passes here, after it came about; `http.client.HTTPConnection` is beneath."""

    def send(self, data: Any) -> None:
        connection: Any = super()
        check = _CHECK.get()
        if check is not None:
            if getattr(self, "sock", None) is None:
                connection.connect()
            check()
        connection.send(data)


def _make_punctual(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _punctual(kind) for scheme, kind in manager.pool_classes_by_scheme.items()
    }


@lru_cache(maxsize=8)
def _punctual(kind: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return the pool class with connections whose answers are punctual; SOCKS proxies have classes of their own."""
    connection: Any = kind.ConnectionCls
    if connection.response_class is _PunctualResponse:
        return kind
    members = {"response_class": _PunctualResponse}
    punctual = type(f"Punctual{connection.__name__}", (_CheckedSending, connection), members)
    return type(f"Punctual{kind.__name__}", (kind,), {"ConnectionCls": punctual})
