"""A deployment made of Python functions, and streams that end as told: the seams of a call without any network."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from ga_deploy.simulate.interpreter.plan import CallPlan
from ga_deploy.simulate.interpreter.record import Span, StreamLeg
from ga_deploy.simulate.interpreter.transports import StreamOrder, Transports, WebError, WebReply, WebRequest

DOMAIN = "https://ga-1234.twil.io"
Handler = Callable[[dict[str, str]], "str | WebReply"]


def xml(body: str, status: int = 200) -> WebReply:
    return WebReply(status, {"content-type": "text/xml"}, f"<Response>{body}</Response>".encode())


class Site:
    """Answers by path; a handler gets query and form merged, and returns TwiML verbs or a whole reply."""

    def __init__(self, **pages: Handler | str | WebReply) -> None:
        self._pages = {"/" + name.replace("_", "-"): page for name, page in pages.items()}
        self.requests: list[WebRequest] = []
        self.seen: list[tuple[str, dict[str, str]]] = []

    async def fetch(self, request: WebRequest) -> WebReply:
        self.requests.append(request)
        parts = urlsplit(request.url)
        fields = dict(parse_qsl(parts.query)) | dict(request.form)
        self.seen.append((parts.path, fields))
        if parts.path not in self._pages:
            raise WebError(11205, "connection refused")
        page = self._pages[parts.path]
        answer = page(fields) if callable(page) else page
        return xml(answer) if isinstance(answer, str) else answer

    def fields(self, path: str) -> dict[str, str]:
        return next(fields for seen, fields in reversed(self.seen) if seen == path)


def talk(seconds: float = 3.0, **changes: object) -> StreamLeg:
    values: dict[str, object] = {
        "opened": True,
        "seconds": seconds,
        "ended_by": "agent",
        "connected_after": 0.05,
        "agent": (Span(0.3, seconds),),
    }
    return StreamLeg(**(values | changes))  # type: ignore[arg-type]


class Streams:
    """Gives the legs in order, the last one again and again, and remembers the orders."""

    def __init__(self, *legs: StreamLeg) -> None:
        self._legs = list(legs) or [talk()]
        self.orders: list[StreamOrder] = []

    async def __call__(self, order: StreamOrder) -> StreamLeg:
        self.orders.append(order)
        leg = self._legs[min(len(self.orders), len(self._legs)) - 1]
        if leg.opened:
            order.on_start()
        if order.hang_up_after is not None and order.hang_up_after <= leg.seconds:
            return talk(order.hang_up_after, ended_by="caller")
        return leg


def plan(**changes: object) -> CallPlan:
    values: dict[str, object] = {
        "name": "test",
        "voice_url": f"{DOMAIN}/engage",
        "call_sid": "CA" + "1" * 32,
        "account_sid": "AC" + "2" * 32,
    }
    return CallPlan(**(values | changes))  # type: ignore[arg-type]


def transports(site: Site, streams: Streams | None = None, token: object = None) -> Transports:
    return Transports(site.fetch, streams or Streams(), token)  # type: ignore[arg-type]


STATUS = f"{DOMAIN}/status"
STREAM = (
    f'<Connect action="/done"><Stream url="wss://asapp.example.com/media/abc" statusCallback="{STATUS}"/></Connect>'
)
