"""Requests to deployed functions themselves. They never carry Twilio credentials; a signed one only proves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twilio.request_validator import RequestValidator

from ga_deploy.gateway.transport import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.gateway.http import TwilioHttp
    from ga_deploy.redact import Secret


@dataclass(frozen=True)
class SiteAnswer:
    """What a deployed function answered; header names are in lower case. The body may hold a stream URL: a secret."""

    status: int
    headers: Mapping[str, str]
    body: str = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


class SiteCalls:
    """Requests to functions on Twilio's domain for them; ValueError for any other URL."""

    _http: TwilioHttp

    def probe(self, url: str) -> SiteAnswer:
        """Return the answer to an unsigned request: 403 from a protected path, 404 where nothing is deployed.

        Asked once, for whoever probes looks again by itself. Raises Unreachable if the site does not answer.
        """
        return self._ask("GET", url, None, {}, once=True)

    def request_signed(self, url: str, params: Mapping[str, str], auth_token: Secret) -> SiteAnswer:
        """POST a form to a deployed path, signed as Twilio signs its webhooks (Twilio docs: Validating requests).

        Sent once: a function may do things that must not happen twice.
        """
        signature = RequestValidator(auth_token.reveal()).compute_signature(url, dict(params))
        return self.request_with_signature(url, params, signature)

    def request_with_signature(self, url: str, params: Mapping[str, str], signature: str) -> SiteAnswer:
        """POST a form to a deployed path with a signature made elsewhere, which may be one to be refused."""
        return self._ask("POST", url, params, {"X-Twilio-Signature": signature})

    def _ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
        *,
        once: bool = False,
    ) -> SiteAnswer:
        address, host = self._http.endpoints.site(url)
        reply: Reply = self._http.transport.send(
            Request(
                method,
                address,
                body=dict(form) if form is not None else None,
                headers={**headers, **host},
                repeatable=False,
                once=once,
                guarded=False,
                patience="site",
                what=f"ask {url}",
            )
        )
        return SiteAnswer(reply.status, reply.headers, reply.body.decode(errors="replace"))
