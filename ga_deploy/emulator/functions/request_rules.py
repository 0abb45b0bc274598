"""What the platform's gateway does with a request before a function sees it, and with the answer afterwards.

Visibility, signature, verbs and sizes; no process, no clock, no I/O. Sources: Twilio docs, Functions (request flow,
visibility, headers) and Security (validating requests).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ga_deploy.emulator.functions.worker import Answered

Visibility = Literal["public", "protected", "private"]

LARGEST_REQUEST = 1024 * 1024
LARGEST_ANSWER = 4 * 1024 * 1024
LARGEST_HEADERS = 15 * 1024
MOST_HEADERS = 90
LONGEST_COOKIE_AGE = 24 * 3600

_VERBS = ("GET", "POST", "OPTIONS")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Handler:
    """A function as deployed: `path` with its leading slash and without `.js`."""

    path: str
    visibility: Visibility
    source: str
    version_sid: str


@dataclass(frozen=True)
class Asset:
    """An asset as deployed: `path` with its leading slash and its extension."""

    path: str
    visibility: Visibility
    content: bytes
    version_sid: str
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came over the wire: `path` and `query` still percent-encoded, `query` without its `?`.

    `ahead`: seconds by which the function's clock is to be ahead, for a client that leaves out waiting.
    """

    method: str
    path: str
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    ahead: float = 0.0

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


# The header by which a simulated call says how far its clock is ahead. Twilio has none such; functions never see it.
AHEAD_HEADER = "x-emulator-ahead"


def read_ahead(text: str) -> float:
    """Return the seconds that the header says, 0 for what is no number of seconds."""
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII) else 0.0


@dataclass(frozen=True)
class LogLine:
    """One line that a function logged, or that the platform logged about it.

    `level` is info, warning, error or debug; `path` the function's; `request_id` `RQ…`; `date` in UTC.
    """

    level: str
    message: str
    path: str
    request_id: str
    date: datetime


@dataclass(frozen=True)
class HttpResponse:
    """What the client gets, and what was logged until then."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    logs: list[LogLine] = field(default_factory=list)
    request_id: str = ""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode(errors="replace")


def judge(request: HttpRequest, served: Handler | Asset | None, *, domain: str, auth_token: str) -> HttpResponse | None:
    """Return the gateway's own answer to a request for `served`, or None when the function or asset has to give it."""
    if served is None or served.visibility == "private":
        return refuse(404, "there is no function or public asset at this path")
    if request.method not in _VERBS:
        return refuse(405, f"{request.method} is not allowed", ("Allow", ", ".join(_VERBS)))
    header_bytes = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if header_bytes > LARGEST_HEADERS or len(request.headers) > MOST_HEADERS:
        return refuse(431, "the headers are too large")
    if header_bytes + len(request.body) > LARGEST_REQUEST:
        return refuse(413, "the request is too large")
    if request.method == "OPTIONS":
        return HttpResponse(200, [("Allow", ", ".join(_VERBS))], b"")
    if request.method == "GET" and request.body:
        return refuse(403, "a GET request must not have a body")
    if served.visibility == "protected" and not _is_signed(request, domain, auth_token):
        return refuse(403, "the request is not signed by Twilio")
    return None


def _is_signed(request: HttpRequest, domain: str, auth_token: str) -> bool:
    given = request.header("X-Twilio-Signature")
    if given is None:
        return False
    tail = request.path + (f"?{request.query}" if request.query else "")
    parameters: dict[str, list[str]] = {}
    if request.method == "POST" and (request.header("Content-Type") or "").split(";")[0].strip().lower() == _FORM:
        parameters = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
    elif request.body:
        # A body that is no form is signed through its hash in the query.
        claimed = parse_qs(request.query).get("bodySHA256", [""])[0]
        if not hmac.compare_digest(claimed.encode(), hashlib.sha256(request.body).hexdigest().encode()):
            return False
    # With and without the port: Twilio's signers do not agree on it, so its validators try both.
    return any(
        hmac.compare_digest(sign(auth_token, f"https://{host}{tail}", parameters).encode(), given.encode())
        for host in (domain, f"{domain}:443")
    )


def sign(auth_token: str, url: str, parameters: Mapping[str, Sequence[str]]) -> str:
    """Return the `X-Twilio-Signature` of a request (Twilio docs: Validating requests).

    `url` is the full URL as configured; `parameters` the form fields of a POST, empty for everything else.
    """
    signed = url + "".join(name + value for name in sorted(parameters) for value in sorted(set(parameters[name])))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def refuse(status: int, message: str, *headers: tuple[str, str]) -> HttpResponse:
    """Return an answer that the platform gives in place of a function."""
    return HttpResponse(
        status, [("Content-Type", "application/json"), *headers], json.dumps({"message": message}).encode()
    )


def find_fault(answered: Answered) -> str:
    """Say why an answer cannot go out, or nothing."""
    if not isinstance(answered.status, int) or not 100 <= answered.status <= 599:
        return f"the function answered with the status {answered.status!r}"
    if len(answered.body) > LARGEST_ANSWER:
        return f"the answer has {len(answered.body)} bytes, {LARGEST_ANSWER} are allowed"
    for name, value in answered.headers:
        age = re.search(r"(?i);\s*max-age=(\d+)", value) if name.lower() == "set-cookie" else None
        if age and int(age[1]) > LONGEST_COOKIE_AGE:
            return "a cookie lives longer than 24 hours"
    return ""


def pass_on(answered: Answered) -> HttpResponse:
    """Return a function's faultless answer as it goes to the client."""
    assert isinstance(answered.status, int)
    # Length and framing of the message are the server's business.
    hop_by_hop = {"connection", "content-length", "keep-alive", "transfer-encoding"}
    headers = [(name, value) for name, value in answered.headers if name.lower() not in hop_by_hop]
    return HttpResponse(answered.status, headers, answered.body)
