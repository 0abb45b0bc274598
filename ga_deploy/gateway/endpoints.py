"""Where each Twilio product answers: Twilio's hosts, with region and edge, or one loopback address for the emulator."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from ga_deploy.errors import ApiProblem, DeployError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

# Twilio docs, Global infrastructure: the edge that belongs to each region. Without an edge in the name a request for
# another region enters in the United States and is refused there (401).
DEFAULT_EDGES = {"us1": "ashburn", "ie1": "dublin", "au1": "sydney"}

# Twilio docs, Function domains: `….twil.io`, with `.{edge}.{region}` before it outside the United States.
SITE_DOMAIN = ".twil.io"

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")


class Product(StrEnum):
    """The Twilio products that are spoken to; the value is the first label of the host."""

    API = "api"
    SERVERLESS = "serverless"
    UPLOAD = "serverless-upload"
    STUDIO = "studio"
    SYNC = "sync"


@dataclass(frozen=True)
class Endpoints:
    """Base URLs per product, without version and trailing slash. Make one with `twilio` or `local`."""

    region: str | None = None
    edge: str | None = None
    local_url: str | None = None

    @classmethod
    def twilio(cls, region: str | None = None, edge: str | None = None) -> Endpoints:
        """Twilio's hosts. A region without an edge gets the edge that belongs to it, an edge alone means us1.

        Raises DeployError (exit 3) for a region whose edge is not known, and for what cannot be part of a host name.
        """
        region, edge = (region or "").strip().lower() or None, (edge or "").strip().lower() or None
        for variable, label in (("TWILIO_REGION", region), ("TWILIO_EDGE", edge)):
            if label and not _LABEL.match(label):
                raise DeployError(
                    f"{variable} cannot be part of a host name: {label!r}",
                    why="region and edge become parts of Twilio's host names, such as api.dublin.ie1.twilio.com",
                    fix=f"correct or unset {variable}",
                    exit_code=ExitCode.INVALID,
                )
        if region and not edge:
            edge = DEFAULT_EDGES.get(region)
            if edge is None:
                raise DeployError(
                    f"the edge for the Twilio region {region!r} is not known",
                    why="a regional request that enters through another region's edge is answered there, with 401",
                    fix=f"set TWILIO_EDGE too, or use a region of {', '.join(sorted(DEFAULT_EDGES))}",
                    exit_code=ExitCode.INVALID,
                )
        return cls(region=region or ("us1" if edge else None), edge=edge)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Endpoints:
        """Twilio's hosts as TWILIO_REGION and TWILIO_EDGE choose them. Raises like `twilio`."""
        return cls.twilio(environ.get("TWILIO_REGION"), environ.get("TWILIO_EDGE"))

    @classmethod
    def local(cls, base_url: str) -> Endpoints:
        """Every product under one loopback address, told apart by the first part of the path.

        Raises ValueError for an address that is not loopback: credentials must not travel unencrypted.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or ""):
            raise ValueError(f"not a loopback URL: {base_url}")
        return cls(local_url=base_url.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether this is an emulator's address."""
        return self.local_url is not None

    def base(self, product: Product) -> str:
        """Return the base URL of a product, e.g. `https://serverless.dublin.ie1.twilio.com`."""
        if self.local_url is not None:
            return f"{self.local_url}/{product.value}"
        labels = [product.value, self.edge, self.region, "twilio.com"]
        return "https://" + ".".join(label for label in labels if label)

    def describe(self) -> str:
        """Return one line for a plan's header: region and edge, or the emulator's address."""
        if self.local_url is not None:
            return f"emulator at {self.local_url}"
        if self.region is None:
            return "region us1 (default)"
        return f"region {self.region}, edge {self.edge}"

    def follow(self, product: Product, link: str) -> str:
        """Return the absolute URL of a next-page link, which may be relative to the host.

        Raises ApiProblem if the link leaves the product's base URL: the request would carry our credentials there.
        """
        base = urlsplit(self.base(product))
        try:
            target = urlsplit(urljoin(self.base(product) + "/", link))
        except ValueError:
            raise ApiProblem(
                f"Twilio's answer continues at what is no URL: {link[:100]}",
                why=f"the list was asked of {base.netloc}, and is not complete without its next page",
                fix="check HTTPS_PROXY and what answers for Twilio's hosts on this network",
            ) from None
        if (target.scheme, target.netloc.lower()) != (base.scheme, base.netloc.lower()):
            raise ApiProblem(
                f"Twilio's answer continues on another host, {target.netloc or target.scheme}",
                why=f"the list was asked of {base.netloc}; following the link would send the credentials elsewhere",
                fix="check HTTPS_PROXY and what answers for Twilio's hosts on this network",
            )
        path = target.path
        if base.path and not path.startswith(base.path + "/"):
            path = base.path + path
        return urlunsplit((base.scheme, base.netloc, path, target.query, ""))

    def site(self, url: str) -> tuple[str, dict[str, str]]:
        """Return where to send a request for a deployed function, and the headers that name its site.

        On the emulator that is the loopback address with the site in `Host`. Raises ValueError for a URL that is not
        `https` on Twilio's domain for functions.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or not host.endswith(SITE_DOMAIN) or parts.username is not None:
            raise ValueError(f"not the URL of a deployed function: {url}")
        if self.local_url is None:
            return url, {}
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.local_url}{parts.path or '/'}{query}", {"Host": parts.netloc}


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address (IPv6 without brackets) can only be this machine."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
