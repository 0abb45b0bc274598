"""The record of an environment: its releases, and the deployment that is under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ga_deploy.model.bundle import Visibility
    from ga_deploy.model.sids import BuildSid, EnvironmentSid, ServiceSid, VersionSid


@dataclass(frozen=True)
class ReleasedFunction:
    """A function of ours in a release; `kept` if the release has it only because an earlier one had it."""

    version: VersionSid
    sha256: str
    visibility: Visibility
    kept: bool = False


@dataclass(frozen=True)
class ReleasedAsset:
    """An asset of ours in a release; `kept` if the release has it only because an earlier one had it."""

    version: VersionSid
    kept: bool = False


@dataclass(frozen=True)
class ReleasedVariable:
    """A variable of a release. `made`: ga-deploy created it, so it may delete it. A secret has only a fingerprint."""

    made: bool
    value: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Release:
    """One successful deployment, as the record keeps it; `number` counts from 1 in each environment.

    All fingerprints of its variables use `salt`; releases of earlier versions of ga-deploy have none.
    """

    number: int
    function_set: str
    service_sid: ServiceSid
    environment_sid: EnvironmentSid
    build_sid: BuildSid
    fingerprint: str
    functions: Mapping[str, ReleasedFunction]
    dependencies: Mapping[str, str]  # those that ga-deploy added
    sent_dependencies: Mapping[str, str]  # all that the build request listed
    variables: Mapping[str, ReleasedVariable]
    variables_digest: str
    runtime: str | None = None
    numbers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    when: str = ""
    who: str = ""
    command: str = "up"
    version: str = ""
    domain_name: str = ""
    containers: tuple[str, ...] = ()  # paths whose function resource ga-deploy created
    flows: Mapping[str, str] = field(default_factory=dict)  # Studio flows by SID: `made` or `attached`
    salt: str = ""
    assets: Mapping[str, ReleasedAsset] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name that users see: `v12`."""
        return f"v{self.number}"


@dataclass(frozen=True)
class Intent:
    """The things that a deployment was about to create. If it stopped, the next deployment knows that they are ours.

    `when` is the time at which this was noted, ISO 8601 in UTC; empty in a record of an earlier version.
    """

    release: int
    function_set: str
    paths: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    sent_dependencies: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[str, ...] = ()
    when: str = ""


@dataclass(frozen=True)
class Record:
    """The record of one environment and one function set.

    `latest` is the newest release of our set, `last_number` the number of the newest release of any set. `where` is the
    place that it was read from: `sync`, a file, or the reason why there is none.
    """

    where: str
    latest: Release | None = None
    last_number: int = 0
    intent: Intent | None = None
