"""Who may talk to a server of ours on loopback: programs of this machine, but no web page that somebody has open.

A browser lets every page send requests to 127.0.0.1, and simple ones without a preflight request (Fetch standard:
CORS-safelisted requests). But it marks them: `Origin` stands in each cross-origin POST and each WebSocket handshake,
`Sec-Fetch-Site` in every request to loopback. A page whose own name was made to resolve to 127.0.0.1 (DNS rebinding)
has the right origin, but sends its own name as `Host`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp.typedefs import Middleware

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

_DEFAULT_PORTS = {"http": "80", "https": "443"}
# What a browser sends for an address that was typed, and for a page of this very server.
_NO_OTHER_PAGE = {"none", "same-origin"}


def is_loopback_name(host: str) -> bool:
    """Tell whether a host name (lower case, without a port) is one that always means this machine."""
    return host in LOOPBACK_NAMES


def find_web_page(host: str, origins: Sequence[str], sites: Sequence[str]) -> str | None:
    """Return which web page sent a request, in words; None when it came from no page, or from one of this server.

    `host` is the `Host` header, `origins` and `sites` are all values of `Origin` and `Sec-Fetch-Site`.
    """
    for origin in origins:
        if not _is_own(origin, host):
            return f"a web page of {origin}"
    if any(site.strip().lower() not in _NO_OTHER_PAGE for site in sites):
        return "a web page of another site"
    return None


def _is_own(origin: str, host: str) -> bool:
    """Tell whether an origin is the address that was asked; the scheme may differ, as behind a proxy that ends TLS."""
    try:
        parts = urlsplit(origin.strip().lower())
        default = _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):  # `null` among others: a sandboxed frame, a file
        return False
    return bool(parts.netloc) and _with_port(parts.netloc, default) == _with_port(host.lower(), default)


def _with_port(host: str, default: str) -> str:
    return host if re.search(r":\d+$", host) else f"{host}:{default}"


def refuse_web_pages(answers_to: Callable[[str], bool] = is_loopback_name) -> Middleware:
    """Return the middleware that answers 403 to web pages of others, and 421 to a `Host` that is not this server's.

    `answers_to` is asked with the name in `Host`, in lower case and without its port. Over TLS any name will do: a
    browser has compared it with the certificate already.
    """

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        name = re.sub(r":\d+$", "", request.host.lower())
        if not request.secure and not answers_to(name):
            return web.json_response({"error": f"this server does not answer for the host {name!r}"}, status=421)
        headers = request.headers
        page = find_web_page(request.host, headers.getall("Origin", []), headers.getall("Sec-Fetch-Site", []))
        if page is not None:
            return web.json_response({"error": f"{page} may not use this server"}, status=403)
        return await handler(request)

    return guard
