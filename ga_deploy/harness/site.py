"""What the checks of deployed functions need from whoever sends their requests: the gateway, or a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.redact import Secret


class Reply(Protocol):
    """What a deployed function answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""

    @property
    def body(self) -> str:
        """The body; it may hold a stream URL, which is a secret."""


class Site(Protocol):
    """Sends requests to the deployed functions. Each method raises Unreachable when no answer comes."""

    def probe(self, url: str) -> Reply:
        """Send an unsigned GET."""

    def request_signed(self, url: str, params: Mapping[str, str], auth_token: Secret) -> Reply:
        """POST a form, signed with `auth_token` as Twilio signs."""

    def request_with_signature(self, url: str, params: Mapping[str, str], signature: str) -> Reply:
        """POST a form with this signature."""
