"""Whose Twilio account it is, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ga_deploy.gateway.problems import AccessDenied

if TYPE_CHECKING:
    from ga_deploy.redact import Secret


class TwilioAccount(Protocol):
    """The `twilio` part of a config."""

    @property
    def account_sid(self) -> str: ...  # noqa: D102
    @property
    def auth_token(self) -> Secret | None: ...  # noqa: D102
    @property
    def api_key(self) -> str | None: ...  # noqa: D102
    @property
    def api_key_secret(self) -> Secret | None: ...  # noqa: D102


@dataclass(frozen=True)
class Credentials:
    """Whose account it is, and who asks: the account SID with the auth token, or an API key with its secret."""

    account_sid: str
    username: str
    password: Secret

    @classmethod
    def of(cls, twilio: TwilioAccount) -> Credentials:
        """Return the credentials of a config; with both, the API key asks and the token is left for signing.

        Raises AccessDenied (exit 4) without either.
        """
        if twilio.api_key and twilio.api_key_secret:
            return cls(twilio.account_sid, twilio.api_key, twilio.api_key_secret)
        if twilio.auth_token:
            return cls(twilio.account_sid, twilio.account_sid, twilio.auth_token)
        raise AccessDenied(
            "there are no credentials for Twilio",
            why="neither an auth token nor an API key with its secret is set",
            fix="set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_KEY_SECRET",
        )

    @property
    def is_api_key(self) -> bool:
        """Whether an API key is used; a key cannot sign requests as Twilio does, and cannot read the account."""
        return self.username.startswith("SK")
