"""The state of one environment as Twilio's API reports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ga_deploy.model.release import Record
from ga_deploy.model.serverless import ServiceEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.flows import OurFlow
    from ga_deploy.model.numbers import IncomingNumber
    from ga_deploy.model.serverless import Build, Environment, FunctionResource, FunctionVersion, Service, Variable
    from ga_deploy.model.sids import BuildSid, VersionSid


@dataclass(frozen=True)
class LiveFunction:
    """A function of the live build. `sha256` and `marked_set` are None if its source was not read."""

    version: FunctionVersion
    sha256: str | None = None
    marked_set: str | None = None
    was_read: bool = False
    source: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Observed:
    """The environment of a service as it is now. All of it was read from the account, none from a local copy."""

    service: Service | None = None
    environments: tuple[Environment, ...] = ()
    environment: Environment | None = None
    build: Build | None = None
    live: tuple[LiveFunction, ...] = ()
    resources: tuple[FunctionResource, ...] = ()
    variables: tuple[Variable, ...] = ()
    numbers: Mapping[str, IncomingNumber] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(where="none"))
    assets: tuple[FunctionResource, ...] = ()  # of the service; only if its inventory was requested
    called_paths: frozenset[str] = frozenset()  # not in the config any more, but a number calls them
    left_flows: tuple[OurFlow, ...] = ()  # not in the config any more, but with our widgets
    flow_paths: frozenset[str] = frozenset()  # the paths that those flows call
    our_assets: frozenset[VersionSid] = frozenset()  # asset versions in the live build that we own

    @property
    def place(self) -> ServiceEnvironment | None:
        """The service and its environment, if both exist."""
        if self.service is None or self.environment is None:
            return None
        return ServiceEnvironment(self.service, self.environment)

    @property
    def build_sid(self) -> BuildSid | None:
        """The live build, if anything is live."""
        return self.environment.build_sid if self.environment else None
