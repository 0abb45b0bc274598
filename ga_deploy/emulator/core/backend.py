"""What the emulated products share: state, rules, accounts, and what one product asks of another.

A plain holder. `assembly.assemble` fills it; nothing in `core` knows the products.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from ga_deploy.emulator.core.accounts import Directory
    from ga_deploy.emulator.core.rules import Rules
    from ga_deploy.emulator.core.store import Row, Store
    from ga_deploy.emulator.functions.host import HttpRequest, HttpResponse

# How often old versions, builds and logs are looked for, in emulated seconds.
_COLLECT_EVERY = 300.0


class SiteServer(Protocol):
    """The deployed functions and assets of all environments (`serverless.sites.Sites`)."""

    def context(self, environment: Row) -> dict[str, str]:
        """Return the variables that the environment's functions see."""

    def refresh(self, *, service: str | None = None, environment: str | None = None) -> None:
        """Take over new variables, deployments and settings."""

    async def answer(self, host: str, request: HttpRequest) -> HttpResponse | None:
        """Return what the site of a domain answers; None if nothing is deployed there."""


class BuildQueue(Protocol):
    """The work behind builds (`serverless.build_worker.Builds`)."""

    async def check(self, dependencies: dict[str, str], runtime: str) -> None:
        """Raise Twilio's refusal of a dependency that does not exist."""

    async def modules(self, dependencies: dict[str, str], runtime: str) -> Path | None:
        """Return the folder of installed packages."""

    def begin(self, build_sid: str) -> None:
        """Start to work on a build."""

    def resume(self) -> None:
        """Start again on unfinished builds."""


@dataclass
class Backend:
    """Everything that the products work on.

    `base_url` is where the emulator is reached, once it listens. `flow_calls` belongs to the package `studio` alone:
    the calls that are in its flows. `collectors` are run when old things are due to be thrown away, `stoppers` at the
    end.
    """

    store: Store
    rules: Rules
    directory: Directory
    base_url: str = ""
    flow_calls: object = None
    collectors: list[Callable[[], None]] = field(default_factory=list)
    stoppers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _sites: SiteServer | None = None
    _builds: BuildQueue | None = None
    _collected: float | None = None

    @property
    def sites(self) -> SiteServer:
        """The deployed functions."""
        if self._sites is None:
            raise RuntimeError("the backend is not assembled")
        return self._sites

    @property
    def builds(self) -> BuildQueue:
        """The work behind builds."""
        if self._builds is None:
            raise RuntimeError("the backend is not assembled")
        return self._builds

    def attach(self, *, sites: SiteServer, builds: BuildQueue) -> None:
        """Name the parts that products ask of each other."""
        self._sites, self._builds = sites, builds

    def change_rules(self, changes: Mapping[str, object]) -> None:
        """Change some rules from now on; raises ValueError for a name that is no rule."""
        self.rules = self.rules.replaced(changes)

    def advance(self, seconds: float) -> None:
        """Move the clock, and throw away what is too old by then."""
        self.store.advance(seconds)
        self._collect()

    def tidy(self) -> None:
        """Throw away what is too old when that is due; cheap to call with every request."""
        now = self.store.now()
        if self._collected is None:
            self._collected = now
        elif now - self._collected > _COLLECT_EVERY:
            self._collected = now
            self._collect()

    async def stop(self) -> None:
        """Stop what works in the background and close the state."""
        for stop in self.stoppers:
            await stop()
        self.store.close()

    def _collect(self) -> None:
        for collect in self.collectors:
            collect()
