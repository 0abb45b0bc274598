"""Between HTTP and the rules of a product: a decoded request, a response, and the paths of a product.

Product modules register plain functions `(backend, request) -> ApiResponse` with `Routes`. They see no socket and no
framework, so that tests can drive the rules directly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ga_deploy.emulator.core.problems import ApiError, invalid, method_not_allowed, missing, not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ga_deploy.emulator.core.accounts import Account
    from ga_deploy.emulator.core.backend import Backend

    Handler = Callable[["Backend", "ApiRequest"], "ApiResponse | Awaitable[ApiResponse]"]

Fields = dict[str, list[str]]


@dataclass(frozen=True)
class Upload:
    """A file part of a multipart body."""

    content: bytes
    content_type: str | None
    file_name: str | None


@dataclass
class ApiRequest:
    """One request of an API client, decoded. `base` is how the client reaches this product; links start with it."""

    product: str
    method: str
    path: str
    base: str
    account: Account
    query: Fields = field(default_factory=dict)
    form: Fields = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    by_key: bool = False
    if_match: str | None = None
    at: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """Return a form field, None when it was not sent. The last one wins, as with PHP-style parsers."""
        values = self.form.get(name)
        if not values:
            return None
        if longest is not None and len(values[-1]) > longest:
            raise invalid(f"{name} is too long: at most {longest} characters are allowed")
        return values[-1]

    def required(self, name: str, *, longest: int | None = None) -> str:
        """Return a form field that must be there and not be empty."""
        value = self.text(name, longest=longest)
        if not value:
            raise missing(name)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean form field, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in {"true", "false"}:
            raise invalid(f"Invalid value for {name}: '{value}' is not a boolean")
        return value.lower() == "true"

    def whole(self, name: str) -> int | None:
        """Return an integer form field, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"\d{1,12}", value):
            raise invalid(f"Invalid value for {name}: '{value}' is not a whole number")
        return int(value)

    def asked(self, name: str) -> str | None:
        """Return a query parameter, None when it was not sent."""
        values = self.query.get(name)
        return values[-1] if values else None

    def url(self, *segments: str) -> str:
        """Return the absolute URL of a resource of this product, e.g. `request.url("v1", "Services", sid)`."""
        return "/".join([self.base, *(quote(segment, safe="") for segment in segments)])


@dataclass(frozen=True)
class ApiResponse:
    """What goes back: JSON (None: an empty body) and headers."""

    status: int
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def ok(body: dict[str, Any]) -> ApiResponse:
    """Return 200."""
    return ApiResponse(200, body)


def created(body: dict[str, Any]) -> ApiResponse:
    """Return 201."""
    return ApiResponse(201, body)


NO_CONTENT = ApiResponse(204)


@dataclass(frozen=True)
class _Route:
    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler


class Routes:
    """The paths of one product.

    `{service}` matches any segment; `{environment:ZE}` only a SID of that kind, so that anything else is a 404 as the
    patterns of Twilio's description have it. `parts` are joined, in their order.
    """

    def __init__(self, product: str, *parts: Routes) -> None:
        self.product = product
        self._by_length: dict[int, list[_Route]] = {}
        for part in parts:
            part.copy_to(self._by_length)

    def on(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Register the decorated function for a method and a path template."""
        segments = template.strip("/").split("/")
        pattern = re.compile("/" + "/".join(_segment_pattern(segment) for segment in segments))

        def register(handler: Handler) -> Handler:
            self._by_length.setdefault(len(segments), []).append(_Route(method, template, pattern, handler))
            return handler

        return register

    def copy_to(self, by_length: dict[int, list[_Route]]) -> None:
        """Add these paths to those of another, behind the ones that it has."""
        for length, routes in self._by_length.items():
            by_length.setdefault(length, []).extend(routes)

    def templates(self) -> set[str]:
        """Return what is registered, as `METHOD /template`."""
        return {f"{route.method} {route.template}" for routes in self._by_length.values() for route in routes}

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Return the handler for a raw (percent-encoded) path, and what its placeholders stand for.

        Raises the 404 or 405 that Twilio answers.
        """
        known = False
        for route in self._by_length.get(path.strip("/").count("/") + 1, ()):
            match = route.pattern.fullmatch(path.rstrip("/"))
            if match is None:
                continue
            known = True
            if route.method == method:
                return route.handler, {name: unquote(value) for name, value in match.groupdict().items()}
        raise method_not_allowed() if known else unknown(path)


def _segment_pattern(segment: str) -> str:
    match = re.fullmatch(r"\{(\w+)(?::(\w+))?\}(.*)", segment)
    if match is None:
        return re.escape(segment)
    name, kind, rest = match.groups()
    return f"(?P<{name}>{kind + '[0-9a-fA-F]{32}' if kind else '[^/]+'}){re.escape(rest)}"


def unknown(path: str) -> ApiError:
    """Return the 404 for a raw path, in which Twilio leaves out the version part."""
    return not_found(re.sub(r"^/(v\d|2010-04-01)(?=/)", "", unquote(path)))


def iso(seconds: float | None) -> str | None:
    """Return the date form of Serverless, Studio and Sync: ISO 8601, whole seconds, UTC."""
    return None if seconds is None else f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def rfc2822(seconds: float) -> str:
    """Return the date form of the 2010 API."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
