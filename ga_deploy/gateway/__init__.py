"""The one door to Twilio. Only this package knows the SDK; records of `model` and errors of `errors` leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ga_deploy.gateway.assets import AssetCalls
from ga_deploy.gateway.builds import BuildCalls
from ga_deploy.gateway.credentials import Credentials
from ga_deploy.gateway.endpoints import Endpoints, Product
from ga_deploy.gateway.http import TwilioHttp
from ga_deploy.gateway.numbers import NumberCalls
from ga_deploy.gateway.problems import AccessDenied, RevisionMoved
from ga_deploy.gateway.retries import Clock, Retries
from ga_deploy.gateway.serverless import ServerlessCalls
from ga_deploy.gateway.site import SiteAnswer, SiteCalls
from ga_deploy.gateway.studio import StudioCalls
from ga_deploy.gateway.sync import SyncCalls
from ga_deploy.gateway.timeouts import Timeouts
from ga_deploy.gateway.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ga_deploy.events import ApiCall

__all__ = [
    "AccessDenied",
    "Clock",
    "Credentials",
    "Endpoints",
    "Gateway",
    "Product",
    "Retries",
    "RevisionMoved",
    "SiteAnswer",
    "Timeouts",
]


class Gateway(ServerlessCalls, AssetCalls, BuildCalls, NumberCalls, StudioCalls, SyncCalls, SiteCalls):
    """Everything that ga-deploy asks of one Twilio account. Opened once a command, thread-safe; close it at the end.

    `on_call` hears of every request as it ends, from whatever thread it ran in. `concurrency` is how many requests
    are under way at most; it shrinks while Twilio says 429. `timeouts` are by default those that the environment of the
    process asks for. `environ` (default: the process's) is where the CA
    variables are read; proxies always come from the process's own.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        endpoints: Endpoints,
        on_call: Callable[[ApiCall], None] | None = None,
        concurrency: int = 4,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        transport = Transport(
            on_call=on_call,
            concurrency=concurrency,
            retries=retries,
            timeouts=timeouts or Timeouts.from_environ(),
            clock=clock,
            environ=environ,
        )
        self._http = TwilioHttp(credentials, endpoints, transport)
        self.concurrency = concurrency

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoints(self) -> Endpoints:
        """Where requests go."""
        return self._http.endpoints

    @property
    def account_sid(self) -> str:
        """The account that the config names; answers about any other are refused."""
        return self._http.account_sid

    def guard_writes(self, check: Callable[[], None]) -> None:
        """Call `check` before every attempt of a POST or DELETE to Twilio from now on; it raises to stop the request.

        Documents of Sync are excepted, which are locks and nothing else.
        """
        self._http.transport.guard_writes(check)

    def verify_credentials(self) -> None:
        """Return if the credentials work; AccessDenied if not. One small read that API keys may make too."""
        path = f"/Accounts/{self.account_sid}/IncomingPhoneNumbers.json"
        self._http.get(Product.API, path, {"PageSize": 1})

    def close(self) -> None:
        """Close the connections; no request is sent afterwards."""
        self._http.transport.close()
