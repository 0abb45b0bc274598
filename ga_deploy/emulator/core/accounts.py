"""Accounts, their credentials and their phone numbers, as whoever starts the emulator declares them."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.emulator.core.problems import forbidden, unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class ApiKey:
    """An API key's secret, and the products (`sync`, `studio`, …) that a restricted key may not use."""

    secret: str = field(repr=False)
    denied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Account:
    """An account: `AC…` and its auth token; `api_keys` maps `SK…` to its secret (or to an `ApiKey`).

    `numbers` are E.164 strings, or mappings with `phone_number` and any field of an IncomingPhoneNumber.
    """

    sid: str
    auth_token: str = field(repr=False)
    api_keys: Mapping[str, str | ApiKey] = field(default_factory=dict, repr=False)
    numbers: Sequence[str | Mapping[str, object]] = ()
    friendly_name: str = "Emulated account"


@dataclass(frozen=True)
class Caller:
    """Who sent a request: the account, and the key if one was used."""

    account: Account
    key: ApiKey | None


class Directory:
    """Tells whose credentials a request carries."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self.accounts = {account.sid: account for account in accounts}
        self._logins: dict[str, tuple[str, Caller]] = {}
        for account in accounts:
            self._logins[account.sid] = (account.auth_token, Caller(account, None))
            for sid, secret in account.api_keys.items():
                key = secret if isinstance(secret, ApiKey) else ApiKey(secret)
                self._logins[sid] = (key.secret, Caller(account, key))

    def identify(self, authorization: str | None, product: str) -> Caller:
        """Return who sent an `Authorization: Basic` header; raises the 401 or 403 that Twilio answers."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            raise unauthorized()
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise unauthorized() from None
        expected, caller = self._logins.get(user, ("", None))
        if caller is None or not hmac.compare_digest(expected.encode(), password.encode()):
            raise unauthorized()
        if caller.key is not None and product in caller.key.denied:
            raise forbidden("This API key has no permission for the requested resource")
        return caller
