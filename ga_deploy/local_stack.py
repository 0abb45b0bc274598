"""A running emulator with the mock ASAPP in it, as a command that uses it sees it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ga_deploy.config.load import LocalStandIn
from ga_deploy.errors import DeployError
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

# The emulator's own account: made up, the same everywhere, and worth nothing outside of it.
ACCOUNT_SID = "AC10ca10ca10ca10ca10ca10ca10ca10ca"
AUTH_TOKEN = "local-emulator-token"  # noqa: S105
ASAPP_API_ID = "local-asapp-api-id"
ASAPP_API_SECRET = "local-asapp-api-secret"  # noqa: S105


@dataclass(frozen=True)
class LocalStack:
    """A running emulator: `base_url` without a trailing slash, the mock ASAPP below it at `/asapp`.

    `control_token` opens its control plane; None when this user does not know it.
    """

    base_url: str
    control_token: Secret | None = None

    @property
    def asapp_url(self) -> str:
        """Base URL of the mock ASAPP."""
        return f"{self.base_url}/asapp"

    @property
    def stand_in(self) -> LocalStandIn:
        """The credentials and the ASAPP host that take the place of the config's."""
        return LocalStandIn(
            account_sid=ACCOUNT_SID,
            auth_token=Secret(AUTH_TOKEN),
            asapp_host=self.asapp_url,
            api_id=Secret(ASAPP_API_ID),
            api_secret=Secret(ASAPP_API_SECRET),
        )

    def own_numbers(self, numbers: Sequence[str]) -> None:
        """Let the emulated account own these numbers (E.164); those that it owns already stay as they are."""
        if numbers:
            self.control("POST", "/numbers", {"account_sid": ACCOUNT_SID, "numbers": list(numbers)})

    def control(self, method: str, path: str, body: object = None, *, timeout: float = 30) -> dict[str, object]:
        """Ask the emulator's control plane (`/_emulator…`); raises `DeployError` when it does not answer."""
        headers = {"Content-Type": "application/json"}
        if self.control_token:
            headers["Authorization"] = f"Bearer {self.control_token.reveal()}"
        request = urllib.request.Request(  # noqa: S310 - the URL is our own loopback one
            f"{self.base_url}/_emulator{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        # No proxy: this is loopback, and a proxy that is set for the outside would answer instead.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                answered: dict[str, object] = json.loads(answer.read() or b"{}")
                return answered
        except urllib.error.HTTPError as error:
            raise DeployError(
                f"the emulator at {self.base_url} refuses `{method} /_emulator{path}`",
                why="it runs for another user, or its token was removed" if error.code == 401 else _read_error(error),
                fix="start one with `ga-deploy emulator`, or unset GA_DEPLOY_EMULATOR",
            ) from None
        except (OSError, ValueError) as error:
            raise DeployError(
                f"no emulator answers at {self.base_url}",
                why=str(error),
                fix="start one with `ga-deploy emulator`, or unset GA_DEPLOY_EMULATOR",
            ) from None


def find_stack(base_url: str) -> LocalStack:
    """Return the stack at a URL on loopback, with the token of its run if this user may know it."""
    from ga_deploy.emulator.control.run_token import find_token

    return LocalStack(base_url, find_token(urlsplit(base_url).port or 0))


def _read_error(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(error)
