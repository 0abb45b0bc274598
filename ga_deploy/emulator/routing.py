"""Where a request belongs: by its Host header, or on loopback by the first segment of its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.loopback_server import is_loopback_name

if TYPE_CHECKING:
    from aiohttp import web

# serverless.twilio.com, and regional forms such as serverless.dublin.ie1.twilio.com.
_PRODUCT_HOST = re.compile(
    r"(serverless|serverless-upload|api|studio|sync|webhooks)((?:\.[a-z0-9-]+){0,2})\.twilio\.com"
)
_PRODUCTS = ("serverless", "serverless-upload", "api", "studio", "sync", "webhooks")
_SITE_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+){0,2}\.twil\.io")


@dataclass(frozen=True)
class RequestAddress:
    """Where a request belongs.

    `product` is an API (`assembly.PRODUCTS`), `webhooks` (flows), `site` (deployed functions) or `control`. `path` and
    `query` are as they came over the wire. `base` is what links start with.
    """

    product: str
    path: str
    query: str
    base: str
    host: str

    @property
    def target(self) -> str:
        """The product, the path and the query: what journal and faults go by."""
        return f"/{self.product}{self.tail}"

    @property
    def tail(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def answers_to(host: str) -> bool:
    """Tell whether the emulator answers for a host: this machine, Twilio's APIs, deployed sites.

    The last two are names that only Twilio can make resolve to something, so that no page elsewhere can make one lead
    here; any other name in `Host` is how DNS rebinding shows.
    """
    return is_loopback_name(host) or bool(_PRODUCT_HOST.fullmatch(host) or _SITE_HOST.fullmatch(host))


def read_address(request: web.Request) -> RequestAddress | None:
    """Return where a request belongs, None for a host or a path that is nobody's."""
    host = re.sub(r":\d+$", "", request.host.lower())
    # A client that takes the emulator for a proxy sends the whole URL; the signature needs what was really sent, which
    # is why aiohttp's tidied path is not used.
    raw = re.sub(r"^https?://[^/?#]*", "", request.raw_path.partition("#")[0]) or "/"
    path, _, query = raw.partition("?")
    if match := _PRODUCT_HOST.fullmatch(host):
        return RequestAddress(match[1], path, query, f"https://{host}", host)
    if _SITE_HOST.fullmatch(host):
        return RequestAddress("site", path, query, f"https://{host}", host)
    if not is_loopback_name(host):
        return None
    product, _, rest = path[1:].partition("/")
    if product == "_emulator":
        return RequestAddress("control", f"/{rest}", query, "", host)
    if product == "2010-04-01":
        # Links of the 2010 API are relative to the host and so lose the prefix.
        product, rest = "api", path[1:]
    if product not in _PRODUCTS:
        return None
    return RequestAddress(product, f"/{rest}", query, f"{request.scheme}://{request.host}/{product}", host)
