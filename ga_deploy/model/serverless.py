"""The resources of Twilio's Functions and Assets, with the fields that ga-deploy reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ga_deploy.model.bundle import Visibility
    from ga_deploy.model.sids import (
        BuildSid,
        DeploymentSid,
        EnvironmentSid,
        FunctionSid,
        ServiceSid,
        VariableSid,
        VersionSid,
    )


@dataclass(frozen=True)
class Service:
    """A Serverless service. `unique_name` is permanent."""

    sid: ServiceSid
    account_sid: str
    unique_name: str
    friendly_name: str
    include_credentials: bool
    ui_editable: bool


@dataclass(frozen=True)
class Environment:
    """An environment of a service; `build_sid` is None before the first and after an empty deployment."""

    sid: EnvironmentSid
    unique_name: str
    domain_suffix: str | None
    domain_name: str
    build_sid: BuildSid | None


@dataclass(frozen=True)
class ServiceEnvironment:
    """A service and one of its environments, both existing: the destination of a deployment."""

    service: Service
    environment: Environment

    @property
    def service_sid(self) -> ServiceSid:
        """The service's SID."""
        return self.service.sid

    @property
    def environment_sid(self) -> EnvironmentSid:
        """The environment's SID."""
        return self.environment.sid

    @property
    def domain_name(self) -> str:
        """Its domain name, such as `ga-1234-dev.twil.io`."""
        return self.environment.domain_name


@dataclass(frozen=True)
class FunctionResource:
    """A function or an asset: a container of versions. Friendly names are not unique."""

    sid: FunctionSid
    friendly_name: str


@dataclass(frozen=True)
class FunctionVersion:
    """A function's version in a build; immutable. `path` has its leading slash."""

    sid: VersionSid
    function_sid: FunctionSid
    path: str
    visibility: Visibility
    date_created: str | None = None


@dataclass(frozen=True)
class AssetVersion:
    """An asset's version in a build; immutable."""

    sid: VersionSid
    asset_sid: FunctionSid
    path: str
    visibility: Visibility


@dataclass(frozen=True)
class Build:
    """A build: the complete content of an environment. Versions are sorted by path.

    `tells_dependencies` is False if Twilio returned null for the dependencies: the build may have some nevertheless.
    """

    sid: BuildSid
    status: str  # building | completed | failed; anything else is still running
    runtime: str | None
    dependencies: dict[str, str]
    function_versions: tuple[FunctionVersion, ...]
    asset_versions: tuple[AssetVersion, ...]
    date_created: str | None = None
    tells_dependencies: bool = True


@dataclass(frozen=True)
class Variable:
    """A variable of an environment. Twilio returns values in plain text: `value` is hidden from `repr`."""

    sid: VariableSid
    key: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Deployment:
    """One activation of a build. `build_sid` None is an empty deployment: it takes everything offline."""

    sid: DeploymentSid
    build_sid: BuildSid | None
    date_created: str | None
