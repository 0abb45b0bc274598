"""Twilio's webhooks: parameters, signature, time limits, retries and HTTP redirects.

Sources: Twilio docs, "Webhooks: connection overrides", "Validating signatures from Twilio", "TwiML for
voice: Twilio's request to your application", errors 11200, 11205, 11210 and 11215.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ga_deploy.simulate.interpreter.transports import WebError, WebReply, WebRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ga_deploy.redact import Secret
    from ga_deploy.simulate.interpreter.clock import Clock
    from ga_deploy.simulate.interpreter.transports import Transports

TOTAL_SECONDS = 15.0
MAX_HTTP_REDIRECTS = 10
USER_AGENT = "TwilioProxy/1.1"


def sign(token: Secret, url: str, form: Sequence[tuple[str, str]]) -> str:
    """Return the X-Twilio-Signature of a form POST (or, with an empty form, of a GET).

    Twilio docs: the URL as requested without its fragment, then every name with its values, names in
    ASCII order and repeated values sorted and de-duplicated; HMAC-SHA1 with the auth token, base64.
    """
    values: dict[str, set[str]] = {}
    for name, value in form:
        values.setdefault(name, set()).add(value)
    signed = url + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    digest = hmac.new(token.reveal().encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


@dataclass(frozen=True)
class Overrides:
    """Connection overrides: the fragment of a webhook URL, which Twilio does not send. Times in seconds."""

    read: float = 15.0
    total: float = TOTAL_SECONDS
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})

    def allows(self, failure: str) -> bool:
        """Tell whether a retry may follow `failure`: `ct`, `rt`, `4xx` or `5xx`."""
        return failure in self.retry_on or "all" in self.retry_on


def read_overrides(url: str) -> Overrides:
    """Return what the fragment of `url` asks for; anything out of Twilio's range is left at its default."""
    keys = dict(part.partition("=")[::2] for part in urlsplit(url).fragment.split("&") if part)
    policies = frozenset(policy for policy in keys.get("rp", "ct").split(",") if policy)
    return Overrides(
        read=_bounded(keys.get("rt"), 100, 15000, 15000) / 1000,
        total=_bounded(keys.get("tt"), 100, 15000, 15000) / 1000,
        retries=_bounded(keys.get("rc"), 0, 5, 1),
        retry_on=policies,
    )


def _bounded(text: str | None, least: int, most: int, default: int) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,5}", text):
        return default
    return int(text) if least <= int(text) <= most else default


@dataclass(frozen=True)
class WebhookExchange:
    """One webhook with its retries and redirects: the answer, or why there is none.

    `url` is where the answer is from.
    """

    url: str
    method: str
    reply: WebReply | None
    error: WebError | None
    seconds: float
    tries: int


class WebhookClient:
    """Sends webhooks the way Twilio does for one call, keeping the call's cookies."""

    def __init__(self, transports: Transports, clock: Clock) -> None:
        self._transports = transports
        self._clock = clock
        self._cookies: dict[str, dict[str, str]] = {}

    async def request(self, url: str, method: str, form: Mapping[str, str]) -> WebhookExchange:
        """Return the final answer within Twilio's 15 seconds. Never raises for what the far side does."""
        overrides = read_overrides(url)
        target = urlunsplit(urlsplit(url)._replace(fragment=""))
        started = self._clock.now()
        tries = 0
        while True:
            tries += 1
            left = overrides.total - (self._clock.now() - started)
            failure = ""
            reply: WebReply | None = None
            error: WebError | None = None
            try:
                async with asyncio.timeout(max(0.001, min(left, overrides.read))):
                    target, method, reply = await self._follow(target, method, form)
                if reply.status >= 400:
                    failure = f"{reply.status // 100}xx"
            except TimeoutError:
                error = WebError(11200, f"no answer within {min(left, overrides.read):.1f} s")
                failure = "rt"
            except WebError as problem:
                error = problem
                failure = "ct" if problem.code in {11205, 11210, 11220} else "rt"
            spent = self._clock.now() - started
            again = failure and tries <= overrides.retries and overrides.allows(failure)
            if not again or spent >= overrides.total:
                return WebhookExchange(target, method, reply, error, spent, tries)

    async def _follow(self, url: str, method: str, form: Mapping[str, str]) -> tuple[str, str, WebReply]:
        for _ in range(MAX_HTTP_REDIRECTS + 1):
            reply = await self._transports.fetch(self._build(url, method, form))
            self._keep_cookies(url, reply)
            location = reply.headers.get("location")
            if reply.status not in {301, 302, 303, 307, 308} or not location:
                return url, method, reply
            url = urljoin(url, location)
            method = method if reply.status in {307, 308} else "GET"
        raise WebError(11215, f"more than {MAX_HTTP_REDIRECTS} HTTP redirects")

    def _build(self, url: str, method: str, form: Mapping[str, str]) -> WebRequest:
        headers = {"user-agent": USER_AGENT, "accept": "*/*"}
        cookies = self._cookies.get(urlsplit(url).hostname or "")
        if cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if method == "GET":
            url = add_query(url, form)
            sent: tuple[tuple[str, str], ...] = ()
        else:
            sent = tuple(form.items())
            headers["content-type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        if self._transports.token:
            headers["x-twilio-signature"] = sign(self._transports.token, url, sent)
        return WebRequest(method, url, sent, headers, self._clock.ahead)

    def _keep_cookies(self, url: str, reply: WebReply) -> None:
        jar = self._cookies.setdefault(urlsplit(url).hostname or "", {})
        for line in reply.cookies:
            try:
                jar.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
            except CookieError:
                continue


def add_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return `url` with `parameters` behind the query it already has."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))
