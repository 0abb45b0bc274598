"""Twilio's SDK on our own transport: requests by product and path, answers as checked JSON, refusals as our errors.

The SDK does what it does well (authentication, headers, form encoding, versions of the APIs) and is kept from what it
does not: it has no timeouts, loses the status of failed lists, and follows a next-page link to any host.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import urllib3
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from ga_deploy import __version__
from ga_deploy.errors import NotFound, Unreachable
from ga_deploy.gateway.answers import Answer
from ga_deploy.gateway.endpoints import Endpoints, Product
from ga_deploy.gateway.problems import AccessDenied, describe_request, make_problem
from ga_deploy.gateway.transport import Reply, Request, Transport

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping

    from twilio.base.version import Version

    from ga_deploy.gateway.credentials import Credentials


# More pages than any account can fill: a server that never stops saying "there is more".
MOST_PAGES = 10_000


@dataclass(frozen=True)
class Attachment:
    """The file part of an upload."""

    field_name: str
    file_name: str
    content: bytes = field(repr=False)
    content_type: str = "application/javascript"


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
        """Send one request of the SDK's. `timeout` and `allow_redirects` are not its decision: the transport's hold."""
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
                upload=isinstance(data, bytes),
                what=what,
            )
        )
        if reply.status >= 300:
            raise make_problem(method, uri, reply.status, reply.headers, reply.body, self._endpoints)
        fields = reply.fields
        if fields is None and method != "DELETE":
            raise _unreadable(reply, what)
        return CheckedResponse(reply, fields or {})


class TwilioHttp:
    """Requests to Twilio's products, for the modules of this package. Paths have no version: `/Services/ZS…`.

    Every method raises NotFound, AccessDenied, Conflict, Throttled, Unreachable or another ApiProblem.
    """

    def __init__(self, credentials: Credentials, endpoints: Endpoints, transport: Transport) -> None:
        self.credentials = credentials
        self.endpoints = endpoints
        self.transport = transport
        self._client = self._open(repeats_posts=False)
        self._repeating = self._open(repeats_posts=True)

    @property
    def account_sid(self) -> str:
        """The account that the config names."""
        return self.credentials.account_sid

    def get(self, product: Product, path: str, params: Mapping[str, object] | None = None) -> Answer:
        """Read one resource."""
        return self._read(_version(self._client, product).request("GET", path, params=dict(params or {})), "GET", path)

    def find(self, product: Product, path: str, params: Mapping[str, object] | None = None) -> Answer | None:
        """Read one resource; None if there is none."""
        try:
            return self.get(product, path, params)
        except NotFound:
            return None

    def create(self, product: Product, path: str, form: Mapping[str, object]) -> Answer:
        """POST something that must not happen twice: repeated only where the first was certainly not processed."""
        return self._read(_version(self._client, product).request("POST", path, data=dict(form)), "POST", path)

    def update(
        self,
        product: Product,
        path: str,
        form: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST something that may safely happen twice."""
        version = _version(self._repeating, product)
        response = version.request("POST", path, data=dict(form), headers=dict(headers) if headers else None)
        return self._read(response, "POST", path)

    def delete(self, product: Product, path: str) -> bool:
        """Delete a resource; False if there was none, as after a first try whose answer was lost."""
        try:
            _version(self._client, product).request("DELETE", path)
        except NotFound:
            return False
        return True

    def upload(self, path: str, fields: Mapping[str, str], attachment: Attachment) -> Answer:
        """POST a multipart form to the upload host, for which the SDK has no resource."""
        parts: dict[str, Any] = dict(fields)
        parts[attachment.field_name] = (attachment.file_name, attachment.content, attachment.content_type)
        body, content_type = urllib3.encode_multipart_formdata(parts)
        url = f"{self.endpoints.base(Product.UPLOAD)}/v1{path}"
        options: dict[str, Any] = {"data": body, "headers": {"Content-Type": content_type}}
        return self._read(self._client.request("POST", url, **options), "POST", path)

    def pages(
        self, product: Product, path: str, key: str, params: Mapping[str, object] | None = None
    ) -> Iterator[list[Answer]]:
        """Yield the pages of a list. A page that cannot be had raises: a list is never cut short in silence."""
        answer = self.get(product, path, params)
        seen: set[str] = set()
        while True:
            yield answer.items(key)
            link = _next_link(answer)
            if link is None:
                return
            url = self.endpoints.follow(product, link)
            if url in seen or len(seen) >= MOST_PAGES:
                raise answer.unreadable("next page", "a page not seen before", url)
            seen.add(url)
            answer = self._read(self._client.request("GET", url), "GET", path)

    def list(
        self,
        product: Product,
        path: str,
        key: str,
        params: Mapping[str, object] | None = None,
        limit: int | None = None,
    ) -> builtins.list[Answer]:
        """Return a whole list, or its first `limit` items."""
        found: builtins.list[Answer] = []
        for page in self.pages(product, path, key, params):
            found += page
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def _open(self, *, repeats_posts: bool) -> Client:
        client = Client(
            self.credentials.username,
            self.credentials.password.reveal(),
            self.credentials.account_sid,
            http_client=TransportClient(self.transport, self.endpoints, repeats_posts=repeats_posts),
            # Not empty, or the SDK would read os.environ: it puts TWILIO_REGION into every host, an address too.
            environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
            user_agent_extensions=[f"ga-deploy/{__version__}"],
        )
        client.serverless.base_url = self.endpoints.base(Product.SERVERLESS)
        client.studio.base_url = self.endpoints.base(Product.STUDIO)
        client.sync.base_url = self.endpoints.base(Product.SYNC)
        client.api.base_url = self.endpoints.base(Product.API)
        return client

    def _read(self, response: Response, method: str, path: str) -> Answer:
        """Return the checked answer. Raises AccessDenied if it speaks of another account than the config's."""
        if not isinstance(response, CheckedResponse):
            raise TypeError("an answer that did not come through the transport")
        reply = response.reply
        answer = Answer(response.fields, reply.request_id, describe_request(method, path), reply.server_time)
        for account_sid in _accounts_of(response.fields):
            if account_sid != self.account_sid:
                raise self._other_account(account_sid, reply)
        return answer

    def _other_account(self, account_sid: str, reply: Reply) -> AccessDenied:
        return AccessDenied(
            f"these credentials belong to another account, {account_sid}",
            status=reply.status,
            why=f"the config is for account {self.account_sid}; nothing may be changed in another one",
            fix="use that account's credentials, or correct `twilio.account_sid` (TWILIO_ACCOUNT_SID)",
            request_id=reply.request_id,
        )


def quoted(part: str) -> str:
    """Return a name or SID as one part of a path."""
    return quote(part, safe="")


def _version(client: Client, product: Product) -> Version:
    versions: dict[Product, Version] = {
        Product.SERVERLESS: client.serverless.v1,
        Product.STUDIO: client.studio.v2,
        Product.SYNC: client.sync.v1,
        Product.API: client.api.v2010,
    }
    return versions[product]


def _accounts_of(fields: Mapping[str, object]) -> Iterator[str]:
    """Yield every account that an answer names: its own, and those of its items."""
    for name, value in fields.items():
        if name == "account_sid" and isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and isinstance(item.get("account_sid"), str):
                    yield item["account_sid"]


def _next_link(answer: Answer) -> str | None:
    """Return the link to the next page: `meta.next_page_url`, or `next_page_uri` in the 2010 API."""
    if "meta" not in answer.fields:
        return answer.optional_text("next_page_uri")
    meta = answer.mapping("meta")
    return Answer(meta, answer.request_id, answer.asked).optional_text("next_page_url")


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
