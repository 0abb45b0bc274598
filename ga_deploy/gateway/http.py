"""Twilio's SDK on our own transport: requests by product and path, answers as checked JSON, refusals as our errors.

The SDK does what it does well (authentication, headers, form encoding, versions of the APIs) and is kept from what it
does not: it has no timeouts, loses the status of failed lists, and follows a next-page link to any host.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import urllib3

from ga_deploy.errors import NotFound, Unreachable
from ga_deploy.gateway.answers import Answer
from ga_deploy.gateway.endpoints import Endpoints, Product
from ga_deploy.gateway.problems import AccessDenied, describe_request
from ga_deploy.gateway.sdk import CheckedResponse, open_client, version_of

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping

    from twilio.http.response import Response

    from ga_deploy.gateway.credentials import Credentials
    from ga_deploy.gateway.transport import Reply, Transport


# More pages than any account can fill: a server that never stops saying "there is more".
MOST_PAGES = 10_000


@dataclass(frozen=True)
class Attachment:
    """The file part of an upload."""

    field_name: str
    file_name: str
    content: bytes = field(repr=False)
    content_type: str = "application/javascript"


class WrongAccount(AccessDenied):
    """The credentials are good, but another account's."""


class TwilioHttp:
    """Requests to Twilio's products, for the modules of this package. Paths have no version: `/Services/ZS…`.

    Every method raises NotFound, AccessDenied, Conflict, Throttled, Unreachable or another ApiProblem.
    """

    def __init__(self, credentials: Credentials, endpoints: Endpoints, transport: Transport) -> None:
        self.credentials = credentials
        self.endpoints = endpoints
        self.transport = transport
        self._client = open_client(credentials, endpoints, transport, repeats_posts=False)
        self._repeating = open_client(credentials, endpoints, transport, repeats_posts=True)
        # With the account's own SID for a user name it cannot be another's; what an API key opens is only seen.
        self._is_confirmed = not credentials.is_api_key
        self._confirming = threading.Lock()

    @property
    def account_sid(self) -> str:
        """The account that the config names."""
        return self.credentials.account_sid

    def get(
        self,
        product: Product,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        within: float | None = None,
    ) -> Answer:
        """Read one resource; `within` so many seconds in all where the caller has less than usual."""
        version = version_of(self._client, product)
        return self._read(version.request("GET", path, params=dict(params or {}), timeout=within), "GET", path)

    def find(self, product: Product, path: str, params: Mapping[str, object] | None = None) -> Answer | None:
        """Read one resource; None if there is none."""
        try:
            return self.get(product, path, params)
        except NotFound:
            return None

    def create(self, product: Product, path: str, form: Mapping[str, object]) -> Answer:
        """POST something that must not happen twice: repeated only where the first was certainly not processed."""
        self.confirm_account()
        return self._read(version_of(self._client, product).request("POST", path, data=dict(form)), "POST", path)

    def update(
        self,
        product: Product,
        path: str,
        form: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST something that may safely happen twice."""
        self.confirm_account()
        version = version_of(self._repeating, product)
        response = version.request("POST", path, data=dict(form), headers=dict(headers) if headers else None)
        return self._read(response, "POST", path)

    def delete(self, product: Product, path: str) -> bool:
        """Delete a resource; False if there was none, as after a first try whose answer was lost."""
        self.confirm_account()
        try:
            version_of(self._client, product).request("DELETE", path)
        except NotFound:
            return False
        return True

    def upload(self, path: str, fields: Mapping[str, str], attachment: Attachment) -> Answer:
        """POST a multipart form to the upload host, for which the SDK has no resource."""
        self.confirm_account()
        parts: dict[str, Any] = dict(fields)
        parts[attachment.field_name] = (attachment.file_name, attachment.content, attachment.content_type)
        body, content_type = urllib3.encode_multipart_formdata(parts)
        url = f"{self.endpoints.base(Product.UPLOAD)}/v1{path}"
        options: dict[str, Any] = {"data": body, "headers": {"Content-Type": content_type}}
        return self._read(self._client.request("POST", url, **options), "POST", path)

    def confirm_account(self) -> None:
        """Return once it is seen that the credentials act for the config's account; nothing is written before.

        An API key may be another account's, and a service created with it would be created there. Any answer that
        names an account settles it. If none has come yet, Sync is asked, whose default service every account has, or,
        where the key has no access to Sync, for the services. Raises AccessDenied for another account.
        """
        with self._confirming:
            if self._is_confirmed:
                return
            try:
                self.get(Product.SYNC, "/Services/default")
            except (AccessDenied, NotFound) as problem:
                if isinstance(problem, WrongAccount):
                    raise
                self.get(Product.SERVERLESS, "/Services", {"PageSize": 1})
            self._is_confirmed = True

    def pages(
        self, product: Product, path: str, key: str, params: Mapping[str, object] | None = None
    ) -> Iterator[list[Answer]]:
        """Yield the pages of a list. A page that cannot be had raises: a list is never cut short in silence.

        All pages together have to come within `Timeouts.listing` seconds.
        """
        clock, limit = self.transport.clock, self.transport.timeouts.listing
        end = clock.monotonic() + limit
        answer = self.get(product, path, params, within=limit)
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
            left = end - clock.monotonic()
            if left <= 0:
                raise _endless(path, len(seen), limit)
            answer = self._read(self._client.request("GET", url, timeout=left), "GET", path)

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

    def _read(self, response: Response, method: str, path: str) -> Answer:
        """Return the checked answer. Raises AccessDenied if it speaks of another account than the config's."""
        if not isinstance(response, CheckedResponse):
            raise TypeError("an answer that did not come through the transport")
        reply = response.reply
        answer = Answer(
            response.fields, reply.request_id, describe_request(method, path), reply.server_time, reply.received
        )
        for account_sid in _accounts_of(response.fields):
            if account_sid != self.account_sid:
                raise self._other_account(account_sid, reply)
            # The 2010 API names the account in its paths: there a parent account's key acts for the config's.
            self._is_confirmed = self._is_confirmed or not path.startswith("/Accounts/")
        return answer

    def _other_account(self, account_sid: str, reply: Reply) -> WrongAccount:
        return WrongAccount(
            f"these credentials belong to another account, {account_sid}",
            status=reply.status,
            why=f"the config is for account {self.account_sid}; nothing may be changed in another one",
            fix="use that account's credentials, or correct `twilio.account_sid` (TWILIO_ACCOUNT_SID)",
            request_id=reply.request_id,
        )


def quoted(part: str) -> str:
    """Return a name or SID as one part of a path."""
    return quote(part, safe="")


def _accounts_of(fields: Mapping[str, object]) -> Iterator[str]:
    """Yield every account that an answer names: its own, and those of its items."""
    for name, value in fields.items():
        if name == "account_sid" and isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and isinstance(item.get("account_sid"), str):
                    yield item["account_sid"]


def _endless(path: str, pages: int, seconds: float) -> Unreachable:
    return Unreachable(
        f"the list does not end (to {describe_request('GET', path)})",
        why=f"after {pages} pages and {seconds:.0f} s Twilio still says that there is more",
        fix="run the command again; if it stays so, check what answers for Twilio's hosts on this network",
    )


def _next_link(answer: Answer) -> str | None:
    """Return the link to the next page: `meta.next_page_url`, or `next_page_uri` in the 2010 API."""
    if "meta" not in answer.fields:
        return answer.optional_text("next_page_uri")
    meta = answer.mapping("meta")
    return Answer(meta, answer.request_id, answer.asked).optional_text("next_page_url")
