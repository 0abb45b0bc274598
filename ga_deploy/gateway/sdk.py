"""Twilio's SDK, made to send through our transport: every answer that is no success is raised as one of our errors."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from ga_deploy import __version__
from ga_deploy.errors import Unreachable
from ga_deploy.gateway.endpoints import Endpoints, Product
from ga_deploy.gateway.problems import describe_request, make_problem
from ga_deploy.gateway.transport import Reply, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twilio.base.version import Version

    from ga_deploy.gateway.credentials import Credentials


# Documents are locks and nothing else: how a lease is taken, renewed and given back.
_LOCK = re.compile(r"/v1/Services/default/Documents(/[^/]+)?$")


def open_client(credentials: Credentials, endpoints: Endpoints, transport: Transport, *, repeats_posts: bool) -> Client:
    """Return the SDK's client on our transport; with `repeats_posts` it is only for POSTs that may happen twice."""
    client = Client(
        credentials.username,
        credentials.password.reveal(),
        credentials.account_sid,
        http_client=TransportClient(transport, endpoints, repeats_posts=repeats_posts),
        # Not empty, or the SDK would read os.environ: it puts TWILIO_REGION into every host, an address too.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
        user_agent_extensions=[f"ga-deploy/{__version__}"],
    )
    client.serverless.base_url = endpoints.base(Product.SERVERLESS)
    client.studio.base_url = endpoints.base(Product.STUDIO)
    client.sync.base_url = endpoints.base(Product.SYNC)
    client.api.base_url = endpoints.base(Product.API)
    return client


def version_of(client: Client, product: Product) -> Version:
    """Return the version of a product's API that we speak."""
    versions: dict[Product, Version] = {
        Product.SERVERLESS: client.serverless.v1,
        Product.STUDIO: client.studio.v2,
        Product.SYNC: client.sync.v1,
        Product.API: client.api.v2010,
    }
    return versions[product]


class CheckedResponse(Response):  # type: ignore[misc]  # the SDK has no types
    """What the SDK gets to see of an answer; ours have a status below 300 and a JSON object (empty after DELETE)."""

    def __init__(self, reply: Reply, fields: Mapping[str, object]) -> None:
        super().__init__(reply.status, reply.body.decode(errors="replace"), dict(reply.headers))
        self.reply = reply
        self.fields = fields


class TransportClient(HttpClient):  # type: ignore[misc]
    """The SDK's HTTP client, sending through our transport; every answer that is not a success is raised as ours."""

    def __init__(self, transport: Transport, endpoints: Endpoints, *, repeats_posts: bool) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self._transport = transport
        self._endpoints = endpoints
        self._repeats_posts = repeats_posts

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> CheckedResponse:
        """Send one request of the SDK's; `timeout` is for all its repeats, and redirects are never followed."""
        what = describe_request(method, urlsplit(uri).path)
        reply = self._transport.send(
            Request(
                method,
                uri,
                params=params,
                body=data or None,
                headers=headers or {},
                auth=auth,
                repeatable=method != "POST" or self._repeats_posts,
                wants_json=method != "DELETE",
                patience="upload" if isinstance(data, bytes) else "read",
                within=timeout,
                guarded=not _LOCK.search(urlsplit(uri).path),
                what=what,
            )
        )
        if reply.status >= 300:
            raise make_problem(method, uri, reply.status, reply.headers, reply.body, self._endpoints)
        fields = reply.fields
        if fields is None and method != "DELETE":
            raise _unreadable(reply, what)
        return CheckedResponse(reply, fields or {})


def _unreadable(reply: Reply, what: str) -> Unreachable:
    kind = reply.headers.get("content-type", "").split(";")[0] or "nothing"
    found = f"{len(reply.body)} bytes of {kind}" if reply.body else "an empty answer"
    problem = Unreachable(
        f"Twilio's answer cannot be understood (to {what})",
        status=reply.status,
        why=f"{found} came instead of a JSON object (HTTP {reply.status})",
        fix="run the command again; if it stays so, check what answers for Twilio's hosts on this network",
        request_id=reply.request_id,
    )
    problem.maybe_processed = True
    return problem
